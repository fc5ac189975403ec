import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { type ThreadName, ThreadRepository } from './thread.repository.js';

/**
 * Sessions under the names that clients of other protocols give them. A name belongs to one user: the same one said
 * by another means another session. The id of a session of the user's own is its name as well.
 */
@Injectable()
export class Threads {
  constructor(
    private readonly threads: ThreadRepository,
    private readonly sessions: SessionRepository,
  ) {}

  /** Id of the session that the name stands for; undefined when it was not used yet. */
  async find(owner: Owner, name: ThreadName): Promise<string | undefined> {
    return (await this.ownSession(owner, name)) ?? this.threads.find(owner, name);
  }

  /**
   * The same, and at first use a new session.
   * @param agent works in the session, when it is new.
   */
  async open(owner: Owner, name: ThreadName, agent?: string): Promise<string> {
    return (await this.find(owner, name)) ?? this.threads.create(owner, name, agent);
  }

  private async ownSession(owner: Owner, { clientId }: ThreadName): Promise<string | undefined> {
    return isId('ses', clientId) ? (await this.sessions.find(owner, clientId))?.id : undefined;
  }
}
