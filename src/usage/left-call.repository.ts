import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import { Database } from '../database/database.js';
import type { ModelCallsTable } from '../database/schema.js';
import type { MeteredRun } from './budget.js';
import { BudgetRepository, keysIn } from './budget.repository.js';
import type { CallKind, CallTokens } from './run-meter.js';

/** A call that was never told: what it is taken to have used. */
export interface LeftCall {
  kind: CallKind;
  model: string;
  tokens: CallTokens;
  costMicroUsd: number | null;
  scopes: string[];
}

/** How long a call may go on after the end of the run in which it began. */
const RUN_OVER_MS = 60_000;
/** How long one may go on whose run is deleted, or that began after its end, for a title or a summary. */
const CALL_MS = 10 * 60_000;
/** No call takes longer. */
const TOO_OLD_MS = 86_400_000;
const BATCH = 100;

/** Calls that were reserved and never told how they ended. */
@Injectable()
export class LeftCallRepository {
  constructor(
    private readonly database: Database,
    private readonly budgets: BudgetRepository,
  ) {}

  /** Books the worst case of a call that nobody will tell about. @returns undefined when it has been told. */
  async giveUp(id: string): Promise<LeftCall | undefined> {
    return this.database.transaction(async (trx) => {
      const row = await this.database
        .acrossTenants(trx)
        .updateTable('model_calls')
        .set({ state: 'left', estimated: 1, ended_at: this.database.now })
        .where('id', '=', id)
        .where('state', '=', 'reserved')
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) return undefined;
      await this.budgets.book(trx, keysIn(row.budgets_json), {
        microUsdSpent: row.reserved_micro_usd,
        microUsdReserved: -row.reserved_micro_usd,
        tokensSpent: row.reserved_tokens,
        tokensReserved: -row.reserved_tokens,
        modelCalls: 0,
        busyMs: 0,
      });
      return toLeftCall(row);
    });
  }

  /** Ids of the calls that earlier attempts of the run have left open. */
  async listLeft({ id, attempt }: MeteredRun): Promise<string[]> {
    const rows = await this.database
      .acrossTenants()
      .selectFrom('model_calls')
      .select('id')
      .where('run_id', '=', id)
      .where('state', '=', 'reserved')
      .where('attempt', '<', attempt)
      .execute();
    return rows.map((row) => row.id);
  }

  /** What the calls used that earlier attempts of the run made for it, as far as it is known. */
  async listMade({ id, attempt }: MeteredRun): Promise<Pick<LeftCall, 'tokens' | 'costMicroUsd'>[]> {
    const rows = await this.database
      .acrossTenants()
      .selectFrom('model_calls')
      .selectAll()
      .where('run_id', '=', id)
      .where('state', 'in', ['spent', 'left'])
      .where('kind', '<>', 'title')
      .where('attempt', '<', attempt)
      .execute();
    return rows.map(toLeftCall);
  }

  /** Ids of open calls, some at a time, whose run is over or gone, or that are too old to go on. */
  async listDead(): Promise<string[]> {
    const { now } = this.database;
    const rows = await this.database
      .acrossTenants()
      .selectFrom('model_calls as c')
      .leftJoin('runs as r', 'r.id', 'c.run_id')
      .select('c.id')
      .where('c.state', '=', 'reserved')
      .where((eb) =>
        eb.or([
          eb.and([
            eb('r.ended_at', '<', sql<number>`${now} - ${RUN_OVER_MS}`),
            eb('c.started_at', '<=', eb.ref('r.ended_at')),
          ]),
          eb.and([
            eb.or([eb('r.id', 'is', null), eb('r.ended_at', 'is not', null)]),
            eb('c.started_at', '<', sql<number>`${now} - ${CALL_MS}`),
          ]),
          eb('c.started_at', '<', sql<number>`${now} - ${TOO_OLD_MS}`),
        ]),
      )
      .limit(BATCH)
      .execute();
    return rows.map((row) => row.id);
  }
}

function toLeftCall(row: Selectable<ModelCallsTable>): LeftCall {
  return {
    kind: row.kind as CallKind,
    model: row.model,
    tokens: {
      input_tokens: row.input_tokens,
      output_tokens: row.output_tokens,
      cache_read_input_tokens: row.cache_read_input_tokens,
      cache_creation_input_tokens: row.cache_creation_input_tokens,
    },
    costMicroUsd: row.cost_micro_usd,
    scopes: keysIn(row.budgets_json).map(({ scope }) => scope),
  };
}
