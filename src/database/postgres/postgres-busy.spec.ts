import { afterEach, expect, it } from '@jest/globals';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { connectionOptions, openPool } from './postgres-pool.js';

const address = process.env['TEST_DATABASE_URL'] ?? '';
const AWAY_MS = 1_000;

let kysely: Kysely<unknown>;
afterEach(() => kysely.destroy());

/** One connection, on which each statement takes a while. */
function many(statements: number, seconds: number): Promise<unknown>[] {
  const options = { ...connectionOptions(address), max: 1, connectionTimeoutMillis: AWAY_MS };
  kysely = new Kysely({ dialect: new PostgresDialect({ pool: openPool(options, 60_000) }) });
  return Array.from({ length: statements }, () => sql`select pg_sleep(${seconds})`.execute(kysely));
}

it('a database that is busy for longer than one that is away is waited for is waited for', async () => {
  const answers = await Promise.allSettled(many(10, 0.2));

  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'fulfilled'));
});

it('one that answers nobody is away, for those who wait', async () => {
  const [first, second] = many(2, 2 * (AWAY_MS / 1_000));

  await expect(second).rejects.toMatchObject({ code: 'unavailable' });
  await first;
});
