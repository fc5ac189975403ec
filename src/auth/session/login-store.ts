import { createHash } from 'node:crypto';
import { callbackify } from 'node:util';
import { Store, type SessionData } from 'express-session';
import type { User } from '../user.js';
import type { LoginRepository } from './login.repository.js';

declare module 'express-session' {
  interface SessionData {
    /** Passport's part: who is signed in. */
    passport?: { user?: string };
    /** The account's `tokenGeneration` when the user signed in: the login ends with it. */
    generation?: number;
    /** The user as they are now: read with the login, never stored with it. */
    account?: User;
    /** Where the login was begun, for the user to know it again. */
    client?: { address: string | null; agent: string | null };
  }
}

/** How a login is known outside its cookie. */
export function loginIdOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('hex');
}

type Rows = Pick<LoginRepository, 'insert' | 'use' | 'delete'>;

/**
 * The store of express-session over the `logins` table. Only sessions with a user are kept, and each is written
 * once: express-session saves again when the response ends, and by then the login may have been ended elsewhere.
 * There is no `touch`: reading prolongs, so the end of a long stream does not.
 */
export class LoginStore extends Store {
  private readonly written = new WeakSet<SessionData>();

  constructor(private readonly logins: Rows) {
    super();
  }

  override get(sessionId: string, callback: (error: unknown, session?: SessionData | null) => void): void {
    callbackify(() => this.find(sessionId))(callback);
  }

  override set(sessionId: string, session: SessionData, callback: (error?: unknown) => void): void {
    callbackify(() => this.write(sessionId, session))(callback);
  }

  override destroy(sessionId: string, callback: (error?: unknown) => void): void {
    callbackify(() => this.logins.delete(loginIdOf(sessionId)))(callback);
  }

  private async find(sessionId: string): Promise<SessionData | null> {
    const login = await this.logins.use(loginIdOf(sessionId));
    if (login === undefined) return null;
    return { ...(JSON.parse(login.data) as SessionData), account: login.account };
  }

  private async write(sessionId: string, session: SessionData): Promise<void> {
    const user = session.passport?.user;
    if (user === undefined || this.written.has(session)) return;
    this.written.add(session);
    await this.logins.insert(loginIdOf(sessionId), user, JSON.stringify(session));
  }
}
