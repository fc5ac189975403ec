import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { newId } from '../database/ids.js';
import { Database, type Queryable } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import { forkCut } from './fork-cut.js';
import type { Compaction, Message } from './message.js';
import { MessageRepository } from './message.repository.js';
import type { Session } from './session.js';
import { SessionRepository } from './session.repository.js';

/** Copies of conversations, which go on by themselves whatever becomes of the first. */
@Injectable()
export class Forks {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionRepository,
    private readonly messages: MessageRepository,
  ) {}

  /**
   * A new session of the owner's with the history of this one, up to and with a message, or with all that is stored.
   * It belongs to no run: the runs of the copy count from 1. What the first has in its workspace is not copied.
   * @throws AppError `not_found` for a session of others, and for a message of another session; `forbidden` for a
   * session that others show to the caller.
   */
  async create(owner: Owner, sessionId: string, upTo: string | undefined): Promise<Session> {
    const origin = await this.sessions.require(owner, sessionId);
    // Messages are only ever added, so what is read before is still the history.
    const history = await this.messages.list(origin, origin.id);
    const index = upTo === undefined ? history.length - 1 : history.findIndex(({ id }) => id === upTo);
    if (upTo !== undefined && index === -1)
      throw new AppError('not_found', 'There is no such message in this session.');
    const kept = history.slice(0, forkCut(history, index));
    const last = kept.at(-1);
    const compaction = last && (await this.messages.findCompaction(origin, origin.id, last));
    const { title, model, system, agent, metadata } = origin;
    return this.database.transaction(async (trx) => {
      const fork = await this.sessions.create(owner, { title, model, system, agent, metadata }, trx);
      await this.copy(trx, fork, kept);
      if (compaction !== undefined) await this.copyCompaction(trx, fork, compaction, kept);
      return fork;
    });
  }

  private async copy(trx: Queryable, fork: Session, kept: readonly Message[]): Promise<void> {
    for (const [position, message] of kept.entries()) {
      const place = { sessionId: fork.id, runId: fork.id, runNumber: 0, position };
      await this.messages.append(fork, trx, { ...message, ...place, id: newId('msg'), hasParts: false });
    }
  }

  private copyCompaction(
    trx: Queryable,
    fork: Session,
    compaction: Compaction,
    kept: readonly Message[],
  ): Promise<void> {
    const position = kept.findLastIndex((message) => isWithin(message, compaction));
    const place = { sessionId: fork.id, runId: fork.id, runNumber: 0, position };
    return this.messages.addCompaction(fork, trx, { ...compaction, ...place, id: newId('cmp') });
  }
}

type Place = Pick<Message, 'runNumber' | 'position'>;

function isWithin(message: Place, end: Place): boolean {
  if (message.runNumber !== end.runNumber) return message.runNumber < end.runNumber;
  return message.position <= end.position;
}
