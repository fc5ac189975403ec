import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../../database/database.js';
import { AppError } from '../../errors/app-error.js';
import type { Run } from '../run.js';

/**
 * `started`: the effect may have happened. `finished`: its outcome is known. `cancelled`: stopped or never run.
 * `outcome_unknown`: a process died in between, and the tool does not allow a second run.
 */
export type ToolCallState = 'started' | 'finished' | 'cancelled' | 'outcome_unknown';

export interface LedgerEntry {
  toolCallId: string;
  name: string;
  state: ToolCallState;
  result: unknown;
  isError: boolean;
  durationMs: number;
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

  async list(runId: string): Promise<LedgerEntry[]> {
    const rows = await this.database.kysely
      .selectFrom('tool_calls')
      .selectAll()
      .where('run_id', '=', runId)
      .orderBy('started_at')
      .execute();
    return rows.map((row) => ({
      toolCallId: row.tool_call_id,
      name: row.name,
      state: row.state as ToolCallState,
      result: row.result_json === null ? null : (JSON.parse(row.result_json) as unknown),
      isError: row.is_error === 1,
      durationMs: row.duration_ms ?? 0,
    }));
  }

  /**
   * Commits that the effect is about to happen. Said twice, because an answer was lost, it is one.
   * @throws AppError `fenced`, and nothing may be done then.
   */
  async start(run: Run, call: LedgerStart): Promise<void> {
    const { numInsertedOrUpdatedRows } = await this.database.kysely
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

  private async isStarted(run: Run, call: LedgerStart): Promise<boolean> {
    const row = await this.database.kysely
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
    const { numUpdatedRows } = await this.database.kysely
      .updateTable('tool_calls')
      .set({
        state: outcome.state,
        result_json: JSON.stringify(outcome.result ?? null),
        is_error: outcome.isError ? 1 : 0,
        duration_ms: outcome.durationMs,
        finished_at: this.database.now,
      })
      .where('run_id', '=', run.id)
      .where('tool_call_id', '=', toolCallId)
      .where(
        sql<boolean>`exists (select 1 from runs r where r.id = ${run.id} and r.attempt = ${run.attempt} ${this.database.shareLock})`,
      )
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw fenced();
  }
}

function fenced(): AppError {
  return new AppError('fenced', 'Another process has taken this run over.');
}
