import { Injectable, Optional } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { Database, type Queryable } from '../database/database.js';
import { isId, newId } from '../database/ids.js';
import { AppError, hasCode } from '../errors/app-error.js';
import { EventLog } from '../event-log/event-log.js';
import type { Block } from '../sessions/message.js';
import { MessageRepository } from '../sessions/message.repository.js';
import type { Session } from '../sessions/session.js';
import { SessionRepository } from '../sessions/session.repository.js';
import { type IdempotencyKey, IdempotencyRepository } from './queue/idempotency.repository.js';
import { LeaseRepository } from './queue/lease.repository.js';
import { OpenRuns } from './queue/open-runs.repository.js';
import { RunInputRepository } from './loop/run-input.repository.js';
import { Workspaces } from '../tools/workspaces.service.js';
import { NO_USAGE } from '../usage/usage-sum.js';
import { introduction, type NewRun, type Run } from './run.js';
import { RunRepository } from './run.repository.js';
import { ChildRunRepository } from './sub-agents/child-run.repository.js';

/** What a session does with a message while it has an open run. */
export type WhenBusy = 'queue' | 'reject' | 'interrupt' | 'steer';

export interface RunStart {
  /** Who starts it; stored with the run for its tools. */
  principal: Run['principal'];
  /** The API key that was used, where one was. */
  keyId?: string | undefined;
  /** Null: a new session is made for it. */
  sessionId: string | null;
  content: Block[];
  whenBusy: WhenBusy;
  onDisconnect: Run['onDisconnect'];
  idempotency: IdempotencyKey | null;
  /** Who works: the new session's agent, or, in a session that is there, this run's alone. */
  agent?: string | null | undefined;
}

/** A run and the message that it begins with. */
export type QueuedRun = Pick<NewRun, 'sessionId' | 'principal' | 'model' | 'onDisconnect'> &
  Pick<NewRun, 'agent' | 'keyId' | 'parent' | 'rootRunId'> & { id?: string; content: Block[] };

/** What a start writes to. */
@Injectable()
export class StartStores {
  constructor(
    readonly sessions: SessionRepository,
    readonly messages: MessageRepository,
    readonly runs: RunRepository,
    readonly inputs: RunInputRepository,
    readonly idempotency: IdempotencyRepository,
    readonly children: ChildRunRepository,
  ) {}
}

/** Writes a run into the queue: session, run, user message and idempotency key in one transaction. */
@Injectable()
export class RunStarter {
  constructor(
    private readonly database: Database,
    private readonly stores: StartStores,
    private readonly leases: LeaseRepository,
    private readonly log: EventLog,
    private readonly openRuns: OpenRuns,
    @Optional() private readonly workspaces?: Workspaces,
  ) {}

  /**
   * @returns the new run, held by this process; or the id of one that is there: the same call started it before,
   * or it is the active one that the message joins.
   * @throws AppError `too_many_requests` when its user, key or tenant has as many open runs as allowed.
   * @param resolveModel names the model, from the session's and the agent's name. What it throws is thrown.
   */
  async create(
    start: RunStart,
    resolveModel: (asked: string | null, agent: string | null) => string,
  ): Promise<{ run: Run } | { existing: string }> {
    return this.database.transaction(async (trx) => {
      const steered = start.whenBusy === 'steer' ? await this.steer(trx, start) : undefined;
      if (steered !== undefined) return { existing: steered };
      const id = newId('run');
      const before = await this.startedBefore(trx, start, id);
      if (before !== undefined) return { existing: before };
      const session = await this.lockSession(trx, start);
      await this.checkBusy(trx, start.whenBusy, session);
      const { principal, keyId, onDisconnect, content } = start;
      await this.openRuns.requireRoom(trx, { ...principal, keyId });
      const agent = start.agent ?? session.agent;
      const model = resolveModel(session.model, agent);
      return {
        run: await this.enqueue(trx, {
          id,
          sessionId: session.id,
          principal,
          keyId,
          model,
          agent,
          onDisconnect,
          content,
        }),
      };
    });
  }

  /** Adds a run, held by this process, and its message to a session whose row the transaction has locked or made. */
  async enqueue(trx: Queryable, { id = newId('run'), content, ...fields }: QueuedRun): Promise<Run> {
    const run = await this.stores.runs.create(trx, {
      ...fields,
      id,
      owner: fields.principal,
      usage: NO_USAGE,
      holder: this.leases.holder,
      leaseMs: this.leases.leaseMs,
    });
    await this.stores.messages.append(run, trx, userMessage(run, content));
    return run;
  }

  /** The first event of a run that was made here. A process so slow that another has the run by now leaves it to that one. */
  async announce(run: Run): Promise<void> {
    const writer = await this.log.writer(run.id, run.attempt, 0, true);
    try {
      await writer.append(introduction(run));
    } catch (error) {
      if (!hasCode(error, 'fenced')) throw error;
    } finally {
      writer.close();
    }
  }

  /** Id of the run that was started with this idempotency key. */
  startedWith(owner: Owner, key: string): Promise<string | undefined> {
    return this.stores.idempotency.find(owner, key);
  }

  /** The runs of sub-agents that a run has started, the first one first. */
  startedBy(run: Run): Promise<Run[]> {
    return this.stores.children.list(run);
  }

  /** The session and those of all sub-agents that were started from within it. */
  async withSubAgents(sessionId: string): Promise<string[]> {
    return [sessionId, ...(await this.stores.children.sessionsBelow(sessionId))];
  }

  /**
   * Deletes a session with its runs, what they said, its messages, and the sessions of its sub-agents. Its row is
   * locked first, so that no run can be added meanwhile.
   */
  async remove(owner: Owner, sessionId: string): Promise<void> {
    const { runs, sessions, messages, children } = this.stores;
    for (const id of await this.withSubAgents(sessionId))
      for (const run of await runs.list(owner, id)) await this.log.remove(run.id);
    const gone = await this.database.transaction(async (trx) => {
      await sessions.save(owner, sessionId, {}, trx);
      const all = [sessionId, ...(await children.sessionsBelow(sessionId, trx))];
      for (const id of all) {
        await runs.deleteAll(owner, trx, id);
        await messages.deleteAll(owner, trx, id);
        await sessions.delete(owner, id, trx);
      }
      return all;
    });
    await this.workspaces?.removeAll(gone);
  }

  /** The message joins the session's active run at its next turn. @returns undefined when there is none to join. */
  private async steer(trx: Queryable, start: RunStart): Promise<string | undefined> {
    if (start.sessionId === null) return undefined;
    await this.lockSession(trx, start);
    const runId = await this.stores.inputs.announce(start.principal, trx, start.sessionId);
    if (runId === undefined) return undefined;
    const before = await this.startedBefore(trx, start, runId);
    if (before !== undefined) return before;
    await this.stores.inputs.add(start.principal, trx, runId, {
      messageId: newId('msg'),
      content: start.content,
    });
    return runId;
  }

  private async startedBefore(trx: Queryable, start: RunStart, id: string): Promise<string | undefined> {
    if (start.idempotency === null) return undefined;
    const before = await this.stores.idempotency.take(trx, start.principal, start.idempotency, id);
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
    const { sessions } = this.stores;
    const { principal: owner, sessionId, agent } = start;
    if (sessionId === null) return sessions.create(owner, { agent }, trx);
    const session = isId('ses', sessionId) ? await sessions.save(owner, sessionId, {}, trx) : undefined;
    // One that others show to the caller is refused otherwise than one that is not there.
    return session ?? sessions.require(owner, sessionId, trx);
  }

  private async checkBusy(trx: Queryable, whenBusy: WhenBusy, session: Session): Promise<void> {
    if (whenBusy !== 'reject') return;
    const open = await this.stores.runs.listOpen(session, session.id, trx);
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
