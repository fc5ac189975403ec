import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { Database, type Queryable } from '../database/database.js';
import { newId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import type { Block } from '../sessions/message.js';
import { MessageRepository } from '../sessions/message.repository.js';
import type { Session } from '../sessions/session.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { type IdempotencyKey, IdempotencyRepository } from './idempotency.repository.js';
import { LeaseRepository } from './lease.repository.js';
import { NO_USAGE } from './loop/usage.js';
import type { Run } from './run.js';
import { RunRepository } from './run.repository.js';

/** What a session does with a message while it has an open run. */
export type WhenBusy = 'queue' | 'reject' | 'interrupt';

export interface RunStart {
  /** Who starts it; stored with the run for its tools. */
  principal: Run['principal'];
  /** Null: a new session is made for it. */
  sessionId: string | null;
  content: Block[];
  whenBusy: WhenBusy;
  onDisconnect: Run['onDisconnect'];
  idempotency: IdempotencyKey | null;
}

/** Writes a run into the queue: session, run, user message and idempotency key in one transaction. */
@Injectable()
export class RunStarter {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionRepository,
    private readonly messages: MessageRepository,
    private readonly runs: RunRepository,
    private readonly idempotency: IdempotencyRepository,
    private readonly leases: LeaseRepository,
  ) {}

  /** @returns the new run, held by this process; or the run that the same call started before. */
  async create(
    start: RunStart,
    resolveModel: (asked: string | null) => string,
  ): Promise<{ run: Run } | { startedBefore: string }> {
    return this.database.transaction(async (trx) => {
      const id = newId('run');
      const before = await this.startedBefore(trx, start, id);
      if (before !== undefined) return { startedBefore: before };
      const session = await this.lockSession(trx, start);
      await this.checkBusy(trx, start.whenBusy, session);
      const run = await this.runs.create(trx, {
        id,
        owner: start.principal,
        sessionId: session.id,
        model: resolveModel(session.model),
        principal: start.principal,
        onDisconnect: start.onDisconnect,
        usage: NO_USAGE,
        holder: this.leases.holder,
        leaseMs: this.leases.leaseMs,
      });
      await this.messages.append(trx, userMessage(run, start.content));
      return { run };
    });
  }

  hasSession(sessionId: string): Promise<boolean> {
    return this.sessions.has(sessionId);
  }

  /** Deletes a session with its runs and messages; itself first, so that no run can be added meanwhile. */
  async remove(owner: Owner, sessionId: string): Promise<void> {
    await this.database.transaction(async (trx) => {
      await this.sessions.delete(owner, sessionId, trx);
      await this.runs.deleteAll(trx, sessionId);
      await this.messages.deleteAll(trx, sessionId);
    });
  }

  private async startedBefore(trx: Queryable, start: RunStart, id: string): Promise<string | undefined> {
    if (start.idempotency === null) return undefined;
    const before = await this.idempotency.take(trx, start.principal, start.idempotency, id);
    if (before === undefined) return undefined;
    if (before.fingerprint !== start.idempotency.fingerprint) {
      throw new AppError(
        'idempotency_mismatch',
        'This Idempotency-Key started a run with another body: use a new key for a new request.',
      );
    }
    return before.runId;
  }

  /** The session's row is locked from here on, so its runs are numbered one after the other. */
  private async lockSession(trx: Queryable, start: RunStart): Promise<Session> {
    const owner: Owner = start.principal;
    if (start.sessionId === null) return this.sessions.create(owner, {}, trx);
    const session = await this.sessions.save(owner, start.sessionId, {}, trx);
    if (session === undefined) throw new AppError('not_found', 'There is no such session.');
    return session;
  }

  private async checkBusy(trx: Queryable, whenBusy: WhenBusy, session: Session): Promise<void> {
    if (whenBusy !== 'reject') return;
    const open = await this.runs.listOpen(session.id, trx);
    if (open.length === 0) return;
    throw new AppError(
      'session_busy',
      'The session has an open run: wait for it, cancel it, or use another when_busy.',
    );
  }
}

function userMessage(run: Run, content: Block[]) {
  return {
    id: newId('msg'),
    sessionId: run.sessionId,
    runId: run.id,
    runNumber: run.number,
    position: 0,
    role: 'user' as const,
    content,
    hasParts: false,
    stopReason: null,
  };
}
