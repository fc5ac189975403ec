import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { migrate } from '../migrate.js';
import { PostgresDatabase } from './postgres-database.js';

let database: PostgresDatabase;

beforeAll(async () => {
  database = new PostgresDatabase(process.env['TEST_DATABASE_URL'] ?? '');
  await database.open();
});
afterAll(() => database.close());

async function done(): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name desc`.execute(
    database.kysely,
  );
  return rows.map(({ name }) => name);
}

it('a migration that cannot have its lock gives up soon, and keeps no lock of those before it', async () => {
  const { kysely } = database;
  const [last, ...before] = await done();
  await sql`drop table threads`.execute(kysely);
  await sql`drop index runs_open_owner`.execute(kysely);
  await sql`delete from kysely_migration where name >= '2026-11-26-threads'`.execute(kysely);

  await kysely.transaction().execute(async (other) => {
    await sql`lock table runs in row exclusive mode`.execute(other);
    await expect(migrate(kysely, { lockWaitMs: 50 })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await done()).toEqual(before);
  });
  await migrate(kysely, { lockWaitMs: 50 });
  expect(await done()).toEqual([last, ...before]);
});
