import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { AgentNames } from './agent-names.js';
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
    private readonly agents: AgentNames,
  ) {}

  /** @throws AppError `invalid_request` for an agent that is not known. */
  async create(owner: Owner, fields: CreateSession): Promise<Session> {
    this.checkAgent(fields.agent);
    return this.sessions.create(owner, fields);
  }

  async find(owner: Owner, id: string): Promise<Session> {
    return found(isId('ses', id) ? await this.sessions.find(owner, id) : undefined);
  }

  /** Those that people began, newest first; the conversations of sub-agents are found by their id only. */
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

  /** @throws AppError `invalid_request` for an agent that is not known. */
  async change(owner: Owner, id: string, fields: ChangeSession): Promise<Session> {
    this.checkAgent(fields.agent);
    return found(isId('ses', id) ? await this.sessions.save(owner, id, fields) : undefined);
  }

  async listMessages(owner: Owner, id: string): Promise<Message[]> {
    const session = await this.find(owner, id);
    return this.messages.list(session.id);
  }

  private checkAgent(name: string | null | undefined): void {
    if (name !== null && name !== undefined) this.agents.check(name);
  }
}

function found(session: Session | undefined): Session {
  if (session === undefined) throw new AppError('not_found', 'There is no such session.');
  return session;
}
