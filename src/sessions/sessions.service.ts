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
import { ShareWatch, type ShownFor } from './shares/share-watch.service.js';

export type { ShownFor };

/** Conversations as their owner may use them. What is another's, and not shown, is answered like what does not exist. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly messages: MessageRepository,
    private readonly agents: AgentNames,
    private readonly shown: ShareWatch,
  ) {}

  /** @throws AppError `invalid_request` for an agent that is not known. */
  async create(owner: Owner, fields: CreateSession): Promise<Session> {
    this.checkAgent(fields.agent);
    return this.sessions.create(owner, fields);
  }

  /** The session, for its owner alone. @throws AppError `not_found`; `forbidden` for who only watches it. */
  find(owner: Owner, id: string): Promise<Session> {
    return this.sessions.require(owner, id);
  }

  /** The session, also for whom it is shown to. @throws AppError `not_found`. */
  see(owner: Owner, id: string): Promise<Session> {
    return this.sessions.see(owner, id);
  }

  /** Tells when the session is not shown to the viewer any more; undefined for its owner. */
  async watch(viewer: Owner, session: Session): Promise<ShownFor | undefined> {
    return viewer.userId === session.userId ? undefined : this.shown.watch(viewer, session);
  }

  /**
   * Those that people began, or, with `shared`, that others show to the caller, newest first; with `q`, those with
   * these characters in their title. The conversations of sub-agents are found by their id only.
   */
  async list(owner: Owner, page: ListSessions): Promise<{ sessions: Session[]; nextCursor: string | null }> {
    if (page.cursor !== undefined && !isId('ses', page.cursor)) {
      throw new AppError(
        'invalid_request',
        'The cursor is not one of this list: take next_cursor as it came.',
      );
    }
    const list = page.shared
      ? this.sessions.listShown.bind(this.sessions)
      : this.sessions.list.bind(this.sessions);
    const sessions = await list(owner, page.limit + 1, page.cursor, page.q);
    const shown = sessions.slice(0, page.limit);
    return { sessions: shown, nextCursor: sessions.length > page.limit ? (shown.at(-1)?.id ?? null) : null };
  }

  /** @throws AppError `invalid_request` for an agent that is not known. */
  async change(owner: Owner, id: string, fields: ChangeSession): Promise<Session> {
    this.checkAgent(fields.agent);
    const saved = isId('ses', id) ? await this.sessions.save(owner, id, fields) : undefined;
    return saved ?? this.sessions.require(owner, id);
  }

  async listMessages(owner: Owner, id: string): Promise<Message[]> {
    const session = await this.see(owner, id);
    return this.messages.list(session, session.id);
  }

  private checkAgent(name: string | null | undefined): void {
    if (name !== null && name !== undefined) this.agents.check(name);
  }
}
