import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, KeptQuery, type Queryable } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import type { Budget, MeteredRun } from './budget.js';
import { BudgetRepository, keysIn, keysJson, NoRoom } from './budget.repository.js';
import type { CallKind, CallOutcome, CallTokens } from './run-meter.js';

/** A call that is about to be made. */
export interface NewCall {
  id: string;
  run: MeteredRun;
  kind: CallKind;
  model: string;
}

/** What it uses at worst; a price that is not known is null. */
export interface WorstCase {
  inputTokens: number;
  outputTokens: number;
  microUsd: number | null;
}

type NewRow = Record<'id' | 'user_id' | 'session_id' | 'run_id' | 'root_run_id' | 'kind' | 'model', string> &
  Record<'attempt' | 'busy_ms', number> &
  ReturnType<typeof endedColumns>;

const RECORD = new KeptQuery((tables, row: NewRow, { tenantId, database: { now } }) =>
  tables
    .insertInto('model_calls')
    .values({
      id: row.id,
      tenant_id: tenantId,
      user_id: row.user_id,
      session_id: row.session_id,
      run_id: row.run_id,
      root_run_id: row.root_run_id,
      attempt: row.attempt,
      kind: row.kind,
      model: row.model,
      state: row.state,
      input_tokens: row.input_tokens,
      output_tokens: row.output_tokens,
      cache_read_input_tokens: row.cache_read_input_tokens,
      cache_creation_input_tokens: row.cache_creation_input_tokens,
      estimated: row.estimated,
      cost_micro_usd: row.cost_micro_usd,
      request_id: row.request_id,
      message_id: row.message_id,
      started_at: sql`${now} - cast(${row.busy_ms} as bigint)`,
      ended_at: now,
    })
    .onConflict((conflict) => conflict.doNothing()),
);

/**
 * The calls of models: `reserved` while they may go on, then `spent` or, when they were refused before they began,
 * `refused`. `left`: whoever made the call died, and it counts with its worst case until the truth is told after all.
 */
@Injectable()
export class ModelCallRepository {
  constructor(
    private readonly database: Database,
    private readonly budgets: BudgetRepository,
  ) {}

  /**
   * Writes the call down and sets its worst case aside in all budgets, or does nothing. Said twice it is one.
   * @returns whether there was room.
   * @throws AppError `fenced`.
   */
  async reserve(call: NewCall, worst: WorstCase, budgets: readonly Budget[]): Promise<boolean> {
    const tokens = worst.inputTokens + worst.outputTokens;
    try {
      await this.database.transaction(async (trx) => {
        if (!(await this.insertReserved(trx, call, worst, budgets))) return;
        const hasRoom = await this.budgets.reserve(trx, budgets, { microUsd: worst.microUsd ?? 0, tokens });
        if (!hasRoom) throw new NoRoom();
      });
      return true;
    } catch (error) {
      if (error instanceof NoRoom) return false;
      throw error;
    }
  }

  /** @returns false when it stands there already. @throws AppError `fenced`. */
  private async insertReserved(
    on: Queryable,
    { id, run, kind, model }: NewCall,
    { inputTokens, outputTokens, microUsd }: WorstCase,
    budgets: readonly Budget[],
  ): Promise<boolean> {
    const keys = keysJson(budgets);
    const all = this.database.acrossTenants(on);
    const { numInsertedOrUpdatedRows } = await all
      .insertInto('model_calls')
      .columns([
        ...(['id', 'tenant_id', 'user_id', 'session_id', 'run_id', 'root_run_id', 'attempt'] as const),
        ...(['kind', 'model', 'state', 'input_tokens', 'output_tokens', 'cost_micro_usd'] as const),
        ...(['reserved_tokens', 'reserved_micro_usd', 'budgets_json', 'started_at'] as const),
      ])
      .expression(
        sql`select cast(${id} as text), cast(${run.tenantId} as text), cast(${run.userId} as text),
          cast(${run.sessionId} as text), r.id, cast(${run.rootRunId} as text), r.attempt,
          cast(${kind} as text), cast(${model} as text), 'reserved', cast(${inputTokens} as bigint),
          cast(${outputTokens} as bigint), cast(${microUsd} as bigint), cast(${inputTokens + outputTokens} as bigint),
          cast(${microUsd ?? 0} as bigint), cast(${keys} as text), ${this.database.now}
          from runs r where r.id = ${run.id} and r.attempt = ${run.attempt} ${this.database.shareLock}`,
      )
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 1n) return true;
    const row = await all.selectFrom('model_calls').select('id').where('id', '=', id).executeTakeFirst();
    if (row !== undefined) return false;
    throw new AppError('fenced', 'Another process has taken this run over.');
  }

  /** Writes down a call that no budget has held. Said twice it is one. @returns false the second time. */
  async record({ id, run, kind, model }: NewCall, outcome: CallOutcome, busyMs: number): Promise<boolean> {
    const values = {
      id,
      user_id: run.userId,
      session_id: run.sessionId,
      run_id: run.id,
      root_run_id: run.rootRunId,
      attempt: run.attempt,
      kind,
      model,
      ...endedColumns(outcome),
      busy_ms: busyMs,
    };
    const { numAffectedRows } = await RECORD.ask(this.database, run, values);
    return numAffectedRows === 1n;
  }

  /**
   * Gives back what was set aside and books what was used, whoever owns the run now, also in the place of a guess.
   * Said twice it is one.
   * @returns whether that is new: not when it was said before, or guessed.
   */
  async settle(id: string, outcome: CallOutcome, busyMs: number): Promise<boolean> {
    return this.database.transaction(async (trx) => {
      const held = await this.end(trx, id, 'reserved', outcome);
      const row = held ?? (await this.end(trx, id, 'left', outcome));
      if (row === undefined) return false;
      const { tokens, costMicroUsd } = outcome;
      // A call that was paid in USD had a price before it began: not to know it afterwards makes it no gift.
      const microUsd = tokens === undefined ? 0 : (costMicroUsd ?? row.reserved_micro_usd);
      const used = tokens === undefined ? 0 : sum(tokens);
      await this.budgets.book(trx, keysIn(row.budgets_json), {
        ...(held === undefined
          ? {
              microUsdSpent: microUsd - row.reserved_micro_usd,
              tokensSpent: used - row.reserved_tokens,
              microUsdReserved: 0,
              tokensReserved: 0,
            }
          : {
              microUsdSpent: microUsd,
              tokensSpent: used,
              microUsdReserved: -row.reserved_micro_usd,
              tokensReserved: -row.reserved_tokens,
            }),
        modelCalls: tokens === undefined ? -1 : 0,
        busyMs,
      });
      return held !== undefined;
    });
  }

  private end(on: Queryable, id: string, state: 'reserved' | 'left', outcome: CallOutcome) {
    return this.database
      .acrossTenants(on)
      .updateTable('model_calls')
      .set({ ...endedColumns(outcome), ended_at: this.database.now })
      .where('id', '=', id)
      .where('state', '=', state)
      .returning(['reserved_tokens', 'reserved_micro_usd', 'budgets_json'])
      .executeTakeFirst();
  }

  /** Undefined: the run is gone. */
  async sessionOf(runId: string): Promise<string | undefined> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('runs')
      .select('session_id')
      .where('id', '=', runId)
      .executeTakeFirst();
    return row?.session_id;
  }
}

function endedColumns({ tokens, estimated, costMicroUsd, requestId, messageId }: CallOutcome) {
  return {
    state: tokens === undefined ? 'refused' : 'spent',
    input_tokens: tokens?.input_tokens ?? 0,
    output_tokens: tokens?.output_tokens ?? 0,
    cache_read_input_tokens: tokens?.cache_read_input_tokens ?? 0,
    cache_creation_input_tokens: tokens?.cache_creation_input_tokens ?? 0,
    estimated: estimated ? 1 : 0,
    cost_micro_usd: tokens === undefined ? 0 : costMicroUsd,
    request_id: requestId ?? null,
    message_id: messageId ?? null,
  };
}

function sum(tokens: CallTokens): number {
  return (
    tokens.input_tokens +
    tokens.output_tokens +
    tokens.cache_read_input_tokens +
    tokens.cache_creation_input_tokens
  );
}
