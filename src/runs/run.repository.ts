import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import type { Owner } from '../auth/principal.js';
import { Database, type OfTenant, type Queryable } from '../database/database.js';
import { inFewLengths, TenantLookups } from '../database/lookups.js';
import type { RunsTable } from '../database/schema.js';
import { isRunShownTo } from '../database/shown-to.js';
import { AppError } from '../errors/app-error.js';
import type { RunStatus, Usage } from '../event-log/run-event.js';
import type { Spent } from '../usage/usage-sum.js';
import { LEFT_AFTER_MS, runWrites } from './queue/run-writes.repository.js';
import type { NewRun, Run, RunEnd } from './run.js';

const OPEN = ['queued', 'running', 'waiting'];

/** Runs as their owners see them, and the writes that only the holder of the lease may do. */
@Injectable()
export class RunRepository {
  private readonly lookups = new TenantLookups((tenantId, ids) => this.findAmong({ tenantId }, ids));

  constructor(private readonly database: Database) {}

  /** Adds a run to a session whose row the transaction has locked. */
  async create(on: Queryable, run: NewRun): Promise<Run> {
    const row = {
      id: run.id,
      user_id: run.owner.userId,
      session_id: run.sessionId,
      owner: run.holder,
      lease_ms: run.leaseMs,
      model: run.model,
      principal_json: JSON.stringify(run.principal),
      on_disconnect: run.onDisconnect,
      usage_json: JSON.stringify(run.usage),
      agent: run.agent ?? null,
      parent_run_id: run.parent?.runId ?? null,
      parent_call_id: run.parent?.callId ?? null,
      root_run_id: run.rootRunId ?? null,
      key_id: run.keyId ?? null,
    };
    const [created] = (await runWrites.insert.ask(this.database, run.owner, row, on)).rows;
    if (created === undefined) throw new Error('A new run was not stored.');
    return toRun(created);
  }

  async find(owner: Owner, id: string): Promise<Run | undefined> {
    const run = await this.lookups.find(owner.tenantId, id);
    return run?.userId === owner.userId ? run : undefined;
  }

  /** Whosever of the tenant they are: the caller compares. */
  private async findAmong(tenant: OfTenant, ids: readonly string[]): Promise<Map<string, Run>> {
    const query = this.database.of(tenant).selectFrom('runs').selectAll();
    const rows = await query.where('id', 'in', inFewLengths(ids)).execute();
    return new Map(rows.map((row) => [row.id, toRun(row)]));
  }

  /** The run, when it is the caller's, or others show its session to the caller. */
  async see(owner: Owner, id: string): Promise<Run | undefined> {
    const own = await this.find(owner, id);
    if (own !== undefined) return own;
    const row = await this.database
      .of(owner)
      .selectFrom('runs')
      .selectAll()
      .where('id', '=', id)
      .where(isRunShownTo(owner.userId))
      .executeTakeFirst();
    return row && toRun(row);
  }

  /** All runs of a session that is the caller's, newest first. */
  async list(owner: OfTenant, sessionId: string): Promise<Run[]> {
    const rows = await this.runsIn(owner, sessionId).orderBy('number', 'desc').execute();
    return rows.map(toRun);
  }

  async findLatest(owner: OfTenant, sessionId: string): Promise<Run | undefined> {
    const row = await this.runsIn(owner, sessionId).orderBy('number', 'desc').limit(1).executeTakeFirst();
    return row && toRun(row);
  }

  /** The session's first run with a number above `after`, open ones only where asked for. */
  async findNext(owner: OfTenant, sessionId: string, after: number, only?: 'open'): Promise<Run | undefined> {
    let query = this.runsIn(owner, sessionId).where('number', '>', after).orderBy('number').limit(1);
    if (only === 'open') query = query.where('status', 'in', OPEN);
    const row = await query.executeTakeFirst();
    return row && toRun(row);
  }

  async listOpen(owner: OfTenant, sessionId: string, on?: Queryable): Promise<Run[]> {
    const query = this.runsIn(owner, sessionId, on).where('status', 'in', OPEN).orderBy('number');
    return (await query.execute()).map(toRun);
  }

  private runsIn(owner: OfTenant, sessionId: string, on?: Queryable) {
    return this.database.of(owner, on).selectFrom('runs').selectAll().where('session_id', '=', sessionId);
  }

  /** These runs, which end when nobody watches them, are watched at this moment. */
  async noteWatched(ids: string[]): Promise<void> {
    await this.database
      .acrossTenants()
      .updateTable('runs')
      .set({ watched_until: this.soon })
      .where('id', 'in', ids)
      .where('status', 'in', OPEN)
      .execute();
  }

  private get soon() {
    return sql<number>`${this.database.now} + cast(${LEFT_AFTER_MS} as integer)`;
  }

  /** Leaves word that the run shall end; works before, during and after a claim. */
  async requestCancel(run: Pick<Run, 'id' | 'tenantId'>): Promise<void> {
    await this.database
      .of(run)
      .updateTable('runs')
      .set({ cancel_requested_at: sql`coalesce(cancel_requested_at, ${this.database.now})` })
      .where('id', '=', run.id)
      .where('status', 'in', OPEN)
      .execute();
  }

  /** A run that waits goes on although nothing was decided. */
  async wake(run: Pick<Run, 'id' | 'tenantId'>): Promise<void> {
    await this.database
      .of(run)
      .updateTable('runs')
      .set({ wake_at: 0 })
      .where('id', '=', run.id)
      .where('status', '=', 'waiting')
      .execute();
  }

  /**
   * Moves the run's checkpoint and whatever `work` stores with it in one transaction; said twice, it is one.
   * @returns how many messages were sent to the run while it worked.
   * @throws AppError `fenced` when the attempt is over; nothing is stored then.
   */
  async checkpoint(
    run: Run,
    progress: Spent & { seq: number; turns: number },
    work: (on: Queryable) => Promise<void>,
  ): Promise<number> {
    return this.database.transaction(async (trx) => {
      const { id, attempt } = run;
      const values = {
        id,
        attempt,
        checkpoint_seq: progress.seq,
        turns: progress.turns,
        ...spentColumns(progress),
      };
      const [row] = (await runWrites.checkpoint.ask(this.database, run, values, trx)).rows;
      if (row === undefined) throw fenced();
      await work(trx);
      return row.inputs;
    });
  }

  /**
   * Stores the final state and frees the session for its next run.
   * @param work told how many messages were sent to the run while it worked: no more can be from here on.
   */
  async settle(
    run: Run,
    end: RunEnd,
    work?: (on: Queryable, inputs: number) => Promise<void>,
  ): Promise<void> {
    await this.database.transaction(async (trx) => {
      const values = {
        id: run.id,
        attempt: run.attempt,
        status: end.status,
        stop_reason: end.stopReason,
        error_code: end.errorCode,
        last_event_id: end.lastEventId,
        ...spentColumns(end),
      };
      const [row] = (await runWrites.end.ask(this.database, run, values, trx)).rows;
      if (row === undefined) throw fenced();
      await work?.(trx, row.inputs);
    });
  }

  /**
   * Takes a run that is over for one more attempt, which writes its log anew, and for so long. Of several processes
   * one wins; a log that another has written anew since the run was found is left alone.
   * @returns undefined when it is not this process's to write.
   */
  async reopenLog(run: Run, forMs: number): Promise<Run | undefined> {
    const { now } = this.database;
    const row = await this.database
      .of(run)
      .updateTable('runs')
      .set({
        attempt: sql<number>`attempt + 1`,
        lease_until: sql<number>`${now} + cast(${forMs} as integer)`,
      })
      .where('id', '=', run.id)
      .where('status', 'not in', OPEN)
      .where('last_event_id', '=', run.lastEventId)
      .where(sql<boolean>`(lease_until is null or lease_until < ${now})`)
      .returningAll()
      .executeTakeFirst();
    return row && toRun(row);
  }

  /** The log was written anew: this is its last event now. */
  async saveLogEnd(run: Run, lastEventId: string): Promise<void> {
    await this.database
      .of(run)
      .updateTable('runs')
      .set({ last_event_id: lastEventId, lease_until: null })
      .where('id', '=', run.id)
      .where('attempt', '=', run.attempt)
      .execute();
  }

  async deleteAll(owner: OfTenant, on: Queryable, sessionId: string): Promise<void> {
    const handle = this.database.of(owner, on);
    const ids = handle.selectFrom('runs').select('id').where('session_id', '=', sessionId);
    await handle.deleteFrom('tool_calls').where('run_id', 'in', ids).execute();
    await handle.deleteFrom('run_inputs').where('run_id', 'in', ids).execute();
    await handle.deleteFrom('run_frames').where('run_id', 'in', ids).execute();
    await handle.deleteFrom('idempotency_keys').where('run_id', 'in', ids).execute();
    await handle.deleteFrom('runs').where('session_id', '=', sessionId).execute();
  }
}

function fenced(): AppError {
  return new AppError('fenced', 'Another process has taken this run over.');
}

function spentColumns({ usage, cost: { microUsd, isKnown } }: Spent) {
  return {
    usage_json: JSON.stringify(usage),
    cost_micro_usd: microUsd,
    cost_unknown: isKnown ? 0 : 1,
  };
}

export function toRun(row: Selectable<RunsTable>): Run {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    userId: row.user_id,
    sessionId: row.session_id,
    number: row.number,
    status: row.status as RunStatus,
    attempt: row.attempt,
    leaseUntil: row.lease_until,
    cancelRequestedAt: row.cancel_requested_at,
    checkpointSeq: row.checkpoint_seq,
    model: row.model,
    principal: JSON.parse(row.principal_json) as Run['principal'],
    onDisconnect: row.on_disconnect as Run['onDisconnect'],
    turns: row.turns,
    usage: JSON.parse(row.usage_json) as Usage,
    stopReason: row.stop_reason,
    errorCode: row.error_code,
    lastEventId: row.last_event_id,
    createdAt: row.created_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    inputs: row.inputs,
    agent: row.agent,
    parent:
      row.parent_run_id === null ? null : { runId: row.parent_run_id, callId: row.parent_call_id ?? '' },
    rootRunId: row.root_run_id ?? row.id,
    waitedMs: row.waited_ms,
    cost: { microUsd: row.cost_micro_usd, isKnown: row.cost_unknown === 0 },
  };
}
