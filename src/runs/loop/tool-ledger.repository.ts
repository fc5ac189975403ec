import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import { Database, type Tables } from '../../database/database.js';
import type { ToolCallsTable } from '../../database/schema.js';
import { AppError } from '../../errors/app-error.js';
import type { Run } from '../run.js';

/**
 * `waiting`: a person has to allow it first. `started`: the effect may have happened. `finished`: its outcome is
 * known. `cancelled`: stopped or never run. `denied`, `expired`: never run, since it was refused, or nobody decided.
 * `outcome_unknown`: a process died in between, and the tool does not allow a second run.
 */
export type ToolCallState =
  'waiting' | 'started' | 'finished' | 'cancelled' | 'denied' | 'expired' | 'outcome_unknown';

/** A request for a decision, and the decision. It holds for these arguments alone. */
export interface LedgerApproval {
  argsHash: string;
  decision: 'approve' | 'deny' | null;
  reason: string | null;
  /** Nobody has decided, and nobody may any more. */
  isExpired: boolean;
}

export interface LedgerEntry {
  toolCallId: string;
  name: string;
  state: ToolCallState;
  result: unknown;
  isError: boolean;
  durationMs: number;
  /** Where a person was asked. */
  approval?: LedgerApproval;
}

export interface LedgerStart {
  toolCallId: string;
  name: string;
  argsHash: string;
  idempotencyKey: string;
}

export type LedgerOutcome = Pick<LedgerEntry, 'state' | 'result' | 'isError' | 'durationMs'>;

/** The tool calls of runs: a row before the effect, its outcome after it. Writes of an old attempt are refused. */
@Injectable()
export class ToolLedgerRepository {
  constructor(private readonly database: Database) {}

  async list(run: Pick<Run, 'id' | 'tenantId'>): Promise<LedgerEntry[]> {
    const rows = await this.database
      .of(run)
      .selectFrom('tool_calls')
      .selectAll()
      .select(
        sql<boolean | number | null>`decision is null and expires_at <= ${this.database.now}`.as(
          'is_expired',
        ),
      )
      .where('run_id', '=', run.id)
      .orderBy('started_at')
      .execute();
    return rows.map((row) => ({
      toolCallId: row.tool_call_id,
      name: row.name,
      state: row.state as ToolCallState,
      result: row.result_json === null ? null : (JSON.parse(row.result_json) as unknown),
      isError: row.is_error === 1,
      durationMs: row.duration_ms ?? 0,
      ...(row.expires_at === null ? {} : { approval: toApproval(row) }),
    }));
  }

  /**
   * Commits that the effect is about to happen. Said twice, because an answer was lost, it is one.
   * @throws AppError `fenced`, and nothing may be done then.
   */
  async start(run: Run, call: LedgerStart): Promise<void> {
    const { numInsertedOrUpdatedRows } = await this.database
      .acrossTenants()
      .insertInto('tool_calls')
      .columns(['run_id', 'tool_call_id', 'name', 'args_hash', 'idempotency_key', 'state', 'started_at'])
      .expression(
        sql`select r.id, cast(${call.toolCallId} as text), cast(${call.name} as text), cast(${call.argsHash} as text),
          cast(${call.idempotencyKey} as text), 'started', ${this.database.now}
          from runs r where r.id = ${run.id} and r.attempt = ${run.attempt} ${this.database.shareLock}`,
      )
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n && !(await this.isStarted(run, call))) throw fenced();
  }

  /**
   * Commits that a person is asked whether the call may be made; decisions are taken for `forMs` milliseconds. Said
   * again it is the same request; with other arguments it is a new one.
   * @returns when it expires, in milliseconds since 1970. @throws AppError `fenced`.
   */
  async ask(run: Run, call: LedgerStart, forMs: number): Promise<number> {
    const { now } = this.database;
    return this.database.transaction(async (trx) => {
      const all = this.database.acrossTenants(trx);
      await this.lockRun(all, run);
      await all
        .insertInto('tool_calls')
        .values({
          run_id: run.id,
          tool_call_id: call.toolCallId,
          name: call.name,
          args_hash: call.argsHash,
          idempotency_key: call.idempotencyKey,
          state: 'waiting',
          started_at: now,
          expires_at: sql<number>`${now} + cast(${forMs} as bigint)`,
        })
        .onConflict((conflict) =>
          conflict
            .columns(['run_id', 'tool_call_id'])
            .doUpdateSet((row) => ({
              args_hash: row.ref('excluded.args_hash'),
              expires_at: row.ref('excluded.expires_at'),
              decision: null,
              decision_reason: null,
              decided_by: null,
              decided_at: null,
            }))
            .where('tool_calls.state', '=', 'waiting')
            .whereRef('tool_calls.args_hash', '<>', 'excluded.args_hash'),
        )
        .execute();
      const row = await all
        .selectFrom('tool_calls')
        .select('expires_at')
        .where('run_id', '=', run.id)
        .where('tool_call_id', '=', call.toolCallId)
        .executeTakeFirstOrThrow();
      return row.expires_at ?? 0;
    });
  }

  /**
   * Commits that the effect of a call is about to happen that a person has allowed. Said twice it is one.
   * @throws AppError `fenced`, also when it was not allowed with these arguments, and nothing may be done then.
   */
  async startApproved(run: Run, call: LedgerStart): Promise<void> {
    const { numUpdatedRows } = await this.database
      .acrossTenants()
      .updateTable('tool_calls')
      .set({ state: 'started', started_at: this.database.now })
      .where('run_id', '=', run.id)
      .where('tool_call_id', '=', call.toolCallId)
      .where('state', '=', 'waiting')
      .where('decision', '=', 'approve')
      .where('args_hash', '=', call.argsHash)
      .where(this.isCurrent(run))
      .executeTakeFirst();
    if (numUpdatedRows !== 1n && !(await this.isStarted(run, call))) throw fenced();
  }

  /** The time to decide is over: nothing is changed when somebody has decided in the last moment. */
  async expire(run: Run, toolCallId: string, outcome: LedgerOutcome): Promise<void> {
    await this.database
      .acrossTenants()
      .updateTable('tool_calls')
      .set(this.ended(outcome))
      .where('run_id', '=', run.id)
      .where('tool_call_id', '=', toolCallId)
      .where('state', '=', 'waiting')
      .where('decision', 'is', null)
      .where('expires_at', '<=', this.database.now)
      .where(this.isCurrent(run))
      .execute();
  }

  /** Whether the run can go on: no call of it waits for a decision, or the time of one is over. */
  async isDecided(run: Run): Promise<boolean> {
    const { at, now } = await this.earliestExpiry(this.database.acrossTenants(), run.id);
    return at <= now;
  }

  /**
   * Lets go of a run of which nothing can go on before a person decides: no process holds it from here on, and
   * whoever takes it first when all is decided, or the first time to decide is over, goes on in the next attempt.
   * @throws AppError `fenced`.
   */
  async park(run: Run): Promise<void> {
    const { now } = this.database;
    await this.database.transaction(async (trx) => {
      const all = this.database.acrossTenants(trx);
      const { numUpdatedRows } = await all
        .updateTable('runs')
        .set({
          status: 'waiting',
          lease_until: null,
          parked_at: sql<number>`coalesce(parked_at, ${now})`,
        })
        .where('id', '=', run.id)
        .where('attempt', '=', run.attempt)
        .where('status', 'in', ['running', 'waiting'])
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw fenced();
      // The row is locked: who decides from here on finds it waiting, and what was decided before is seen here.
      const { at } = await this.earliestExpiry(all, run.id);
      await all.updateTable('runs').set({ wake_at: at }).where('id', '=', run.id).execute();
    });
  }

  /** Of the calls on which nobody has decided; 0 when there is none. */
  private earliestExpiry(on: Tables, runId: string): Promise<{ at: number; now: number }> {
    return on
      .selectFrom('tool_calls')
      .select([
        sql<number>`coalesce(min(expires_at), 0)`.as('at'),
        sql<number>`${this.database.now}`.as('now'),
      ])
      .where('run_id', '=', runId)
      .where('state', '=', 'waiting')
      .where('decision', 'is', null)
      .executeTakeFirstOrThrow();
  }

  /** The run's row before its calls: everybody who needs both takes them in this order. */
  private async lockRun(all: Tables, run: Run): Promise<void> {
    const row = await sql`select r.id from runs r where r.id = ${run.id} and r.attempt = ${run.attempt}
      ${this.database.shareLock}`.execute(all);
    if (row.rows.length !== 1) throw fenced();
  }

  private async isStarted(run: Run, call: LedgerStart): Promise<boolean> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('tool_calls')
      .innerJoin('runs', 'runs.id', 'tool_calls.run_id')
      .select('tool_calls.state')
      .where('tool_calls.run_id', '=', run.id)
      .where('tool_calls.tool_call_id', '=', call.toolCallId)
      .where('runs.attempt', '=', run.attempt)
      .executeTakeFirst();
    return row?.state === 'started';
  }

  /** Commits the outcome. @throws AppError `fenced`. */
  async finish(run: Run, toolCallId: string, outcome: LedgerOutcome): Promise<void> {
    const { numUpdatedRows } = await this.database
      .acrossTenants()
      .updateTable('tool_calls')
      .set(this.ended(outcome))
      .where('run_id', '=', run.id)
      .where('tool_call_id', '=', toolCallId)
      .where(this.isCurrent(run))
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw fenced();
  }

  private ended(outcome: LedgerOutcome) {
    return {
      state: outcome.state,
      result_json: JSON.stringify(outcome.result ?? null),
      is_error: outcome.isError ? 1 : 0,
      duration_ms: outcome.durationMs,
      finished_at: this.database.now,
    };
  }

  private isCurrent({ id, attempt }: Run) {
    return sql<boolean>`exists (select 1 from runs r where r.id = ${id} and r.attempt = ${attempt} ${this.database.shareLock})`;
  }
}

function toApproval(
  row: Pick<Selectable<ToolCallsTable>, 'args_hash' | 'decision' | 'decision_reason'> & {
    is_expired: boolean | number | null;
  },
): LedgerApproval {
  return {
    argsHash: row.args_hash,
    decision: row.decision as LedgerApproval['decision'],
    reason: row.decision_reason,
    isExpired: Boolean(row.is_expired),
  };
}

function fenced(): AppError {
  return new AppError('fenced', 'Another process has taken this run over.');
}
