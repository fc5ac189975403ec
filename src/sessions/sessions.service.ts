import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import type { Message } from './message.js';
import { MessageRepository } from './message.repository.js';
import type { ChangeSession, CreateSession, ListSessions } from './requests.js';
import { SessionRepository } from './session.repository.js';
import type { Session } from './session.js';

/** Conversations as their owner may use them. What is another's is answered like what does not exist. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly messages: MessageRepository,
  ) {}

  create(owner: Owner, { agent, ...fields }: CreateSession): Promise<Session> {
    refuseAgent(agent);
    return this.sessions.create(owner, fields);
  }

  async find(owner: Owner, id: string): Promise<Session> {
    return found(isId('ses', id) ? await this.sessions.find(owner, id) : undefined);
  }

  async list(owner: Owner, page: ListSessions): Promise<{ sessions: Session[]; nextCursor: string | null }> {
    if (page.cursor !== undefined && !isId('ses', page.cursor)) {
      throw new AppError(
        'invalid_request',
        'The cursor is not one of this list: take next_cursor as it came.',
      );
    }
    const sessions = await this.sessions.list(owner, page.limit + 1, page.cursor);
    const shown = sessions.slice(0, page.limit);
    return { sessions: shown, nextCursor: sessions.length > page.limit ? (shown.at(-1)?.id ?? null) : null };
  }

  async change(owner: Owner, id: string, fields: ChangeSession): Promise<Session> {
    return found(isId('ses', id) ? await this.sessions.save(owner, id, fields) : undefined);
  }

  async listMessages(owner: Owner, id: string): Promise<Message[]> {
    const session = await this.find(owner, id);
    return this.messages.list(session.id);
  }
}

/** Named agents are a later part of the product; a name is refused rather than ignored. */
export function refuseAgent(agent: string | undefined): void {
  if (agent === undefined) return;
  throw new AppError('not_implemented', 'Named agents are not built yet: leave `agent` out.');
}

function found(session: Session | undefined): Session {
  if (session === undefined) throw new AppError('not_found', 'There is no such session.');
  return session;
}
