import { Injectable } from '@nestjs/common';
import { type RawBuilder, sql } from 'kysely';
import { may } from '../../auth/permissions.js';
import type { Principal } from '../../auth/principal.js';
import { Database } from '../../database/database.js';
import { AppError } from '../../errors/app-error.js';
import type { UsagePart, UsageQuery } from './requests.js';

/** Sums of the calls that agree in all that was asked for. */
export interface UsageRow {
  /** Days since 1970, UTC. */
  day?: number;
  model?: string;
  user?: string;
  kind?: string;
  calls: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheCreation: number;
  /** How many of the calls are guesses. */
  estimated: number;
  /** Of the calls with a known price. */
  microUsd: number;
  withoutPrice: number;
}

const MOST_ROWS = 10_000;

const PARTS: Record<UsagePart, RawBuilder<unknown>> = {
  // Whole numbers: what is left of a day is dropped, in both databases.
  day: sql`started_at / 86400000`,
  model: sql`model`,
  user: sql`user_id`,
  kind: sql`kind`,
};

/** What the calls of models have used, told from the calls themselves. */
@Injectable()
export class UsageReportRepository {
  constructor(private readonly database: Database) {}

  /** An administrator's tenant, everybody else's own. @throws AppError `invalid_request` for too long an answer. */
  async read(principal: Principal, { from, to, by }: UsageQuery): Promise<UsageRow[]> {
    let query = this.database
      .of(principal)
      .selectFrom('model_calls')
      .select(by.map((part) => PARTS[part].as(part)))
      .select([
        whole(sql`count(*)`).as('calls'),
        whole(sql`sum(input_tokens)`).as('input'),
        whole(sql`sum(output_tokens)`).as('output'),
        whole(sql`sum(cache_read_input_tokens)`).as('cacheRead'),
        whole(sql`sum(cache_creation_input_tokens)`).as('cacheCreation'),
        whole(sql`sum(estimated)`).as('estimated'),
        whole(sql`coalesce(sum(cost_micro_usd), 0)`).as('microUsd'),
        whole(sql`count(*) - count(cost_micro_usd)`).as('withoutPrice'),
      ])
      .where('state', 'in', ['spent', 'left'])
      .where('started_at', '>=', from)
      .where('started_at', '<', to)
      .groupBy(by.map((part) => PARTS[part]))
      .limit(MOST_ROWS + 1);
    if (!may(principal, 'admin')) query = query.where('user_id', '=', principal.userId);
    const rows = await query.execute();
    if (rows.length <= MOST_ROWS) return rows as UsageRow[];
    throw new AppError(
      'invalid_request',
      `The answer has more than ${MOST_ROWS} rows: ask for a shorter time, or group by less.`,
    );
  }
}

/** PostgreSQL sums whole numbers to a decimal, which comes as text. */
function whole(sum: RawBuilder<unknown>): RawBuilder<number> {
  return sql<number>`cast(${sum} as bigint)`;
}
