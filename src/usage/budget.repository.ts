import { Injectable } from '@nestjs/common';
import { type Expression, type ExpressionBuilder, type Selectable, sql, type SqlBool } from 'kysely';
import { Database, type Queryable } from '../database/database.js';
import type { BudgetsTable, Schema } from '../database/schema.js';
import { type Budget, type BudgetState, NOTHING_SPENT, toMicroUsd } from './budget.js';

/** The key of a budget's row. */
export type BudgetKey = Pick<Budget, 'scope' | 'period'>;

/** What is added to each budget of a call; reservations are given back with negative numbers. */
export interface Booking {
  microUsdSpent: number;
  microUsdReserved: number;
  tokensSpent: number;
  tokensReserved: number;
  modelCalls: number;
  busyMs: number;
}

/**
 * What was spent of each budget. Every statement touches its rows in the order in which they are given, and says
 * all of them at once: with one order for all, nobody waits in a circle.
 */
@Injectable()
export class BudgetRepository {
  constructor(private readonly database: Database) {}

  /** @returns what each of them counts now, in the same order. */
  async read(budgets: readonly BudgetKey[]): Promise<BudgetState[]> {
    const rows = await this.database.kysely
      .selectFrom('budgets')
      .selectAll()
      .where(
        'scope',
        'in',
        budgets.map(({ scope }) => scope),
      )
      .where(
        'period',
        'in',
        budgets.map(({ period }) => period),
      )
      .execute();
    return budgets.map(({ scope, period }) => {
      const row = rows.find((candidate) => candidate.scope === scope && candidate.period === period);
      return row === undefined ? NOTHING_SPENT : toState(row);
    });
  }

  /**
   * Sets a call aside in all of them, or in none: `on` is a transaction that is rolled back then.
   * What does not fit into an empty budget must not be asked for.
   * @returns whether it fits into all.
   */
  async reserve(
    on: Queryable,
    budgets: readonly Budget[],
    call: { microUsd: number; tokens: number },
  ): Promise<boolean> {
    const rows = await on
      .insertInto('budgets')
      .values(
        budgets.map(({ scope, period }) => ({
          scope,
          period,
          micro_usd_reserved: call.microUsd,
          tokens_reserved: call.tokens,
          model_calls: 1,
        })),
      )
      .onConflict((conflict) =>
        conflict
          .columns(['scope', 'period'])
          .doUpdateSet({
            micro_usd_reserved: sql`budgets.micro_usd_reserved + excluded.micro_usd_reserved`,
            tokens_reserved: sql`budgets.tokens_reserved + excluded.tokens_reserved`,
            model_calls: sql`budgets.model_calls + 1`,
          })
          .where((eb) => eb.or(budgets.map((budget) => hasRoom(eb, budget, call)))),
      )
      .returning('scope')
      .execute();
    return rows.length === budgets.length;
  }

  /** Adds to all of them, beyond their limits too: what is spent is spent. */
  async book(on: Queryable, budgets: readonly BudgetKey[], booking: Booking): Promise<void> {
    await on
      .insertInto('budgets')
      .values(
        budgets.map(({ scope, period }) => ({
          scope,
          period,
          micro_usd_spent: booking.microUsdSpent,
          micro_usd_reserved: booking.microUsdReserved,
          tokens_spent: booking.tokensSpent,
          tokens_reserved: booking.tokensReserved,
          model_calls: booking.modelCalls,
          busy_ms: booking.busyMs,
        })),
      )
      .onConflict((conflict) =>
        conflict.columns(['scope', 'period']).doUpdateSet({
          micro_usd_spent: sql`budgets.micro_usd_spent + excluded.micro_usd_spent`,
          micro_usd_reserved: sql`budgets.micro_usd_reserved + excluded.micro_usd_reserved`,
          tokens_spent: sql`budgets.tokens_spent + excluded.tokens_spent`,
          tokens_reserved: sql`budgets.tokens_reserved + excluded.tokens_reserved`,
          model_calls: sql`budgets.model_calls + excluded.model_calls`,
          busy_ms: sql`budgets.busy_ms + excluded.busy_ms`,
        }),
      )
      .execute();
  }

  /** Counts tool calls in all of them, or in none. @returns whether they fit into all. */
  async countToolCalls(budgets: readonly Budget[], calls: number): Promise<boolean> {
    return this.database
      .transaction(async (trx) => {
        for (const { scope, period, limits } of budgets) {
          const { numInsertedOrUpdatedRows } = await trx
            .insertInto('budgets')
            .values({ scope, period, tool_calls: calls })
            .onConflict((conflict) =>
              conflict
                .columns(['scope', 'period'])
                .doUpdateSet({ tool_calls: sql`budgets.tool_calls + excluded.tool_calls` })
                .where(sql<boolean>`budgets.tool_calls + ${calls} <= ${limits.tool_calls ?? 0}`),
            )
            .executeTakeFirst();
          if (numInsertedOrUpdatedRows !== 1n) throw new NoRoom();
        }
        return true;
      })
      .catch((error: unknown) => {
        if (error instanceof NoRoom) return false;
        throw error;
      });
  }

  /** Forgets days that are long over; what was spent on them is told by the calls themselves. */
  async deleteDaysBefore(day: string): Promise<void> {
    await this.database.kysely
      .deleteFrom('budgets')
      .where('period', '<>', '')
      .where('period', '<', day)
      .where('tokens_reserved', '=', 0)
      .execute();
  }
}

/** As a call remembers what holds its reservation. */
export function keysJson(budgets: readonly BudgetKey[]): string {
  return JSON.stringify(budgets.map(({ scope, period }) => [scope, period]));
}

export function keysIn(json: string | null): BudgetKey[] {
  const keys = JSON.parse(json ?? '[]') as [string, string][];
  return keys.map(([scope, period]) => ({ scope, period }));
}

/** Thrown inside a transaction, so that nothing of it stays. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

function hasRoom(
  eb: ExpressionBuilder<Schema, 'budgets'>,
  { scope, period, limits }: Budget,
  call: { microUsd: number; tokens: number },
): Expression<SqlBool> {
  const { usd, tokens, turns, seconds } = limits;
  const conditions: Expression<SqlBool>[] = [
    eb('budgets.scope', '=', scope),
    eb('budgets.period', '=', period),
  ];
  if (usd !== undefined) {
    const most = toMicroUsd(usd) - call.microUsd;
    conditions.push(sql<boolean>`budgets.micro_usd_spent + budgets.micro_usd_reserved <= ${most}`);
  }
  if (tokens !== undefined) {
    const most = tokens - call.tokens;
    conditions.push(sql<boolean>`budgets.tokens_spent + budgets.tokens_reserved <= ${most}`);
  }
  if (turns !== undefined) conditions.push(eb('budgets.model_calls', '<', turns));
  if (seconds !== undefined) conditions.push(eb('budgets.busy_ms', '<', Math.ceil(seconds * 1_000)));
  return eb.and(conditions);
}

function toState(row: Selectable<BudgetsTable>): BudgetState {
  return {
    microUsdSpent: row.micro_usd_spent,
    microUsdReserved: row.micro_usd_reserved,
    tokensSpent: row.tokens_spent,
    tokensReserved: row.tokens_reserved,
    modelCalls: row.model_calls,
    toolCalls: row.tool_calls,
    busyMs: row.busy_ms,
  };
}
