import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { IN_MEMORY, SqliteDatabase } from './sqlite-database.js';

describe('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'agentline-'));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('creates its tables in an empty folder and finds them again', async () => {
    const first = new SqliteDatabase(join(folder, 'new'));
    await first.open();
    await first.kysely
      .insertInto('logins')
      .values({ id_hash: 'a', user_id: null, data_json: '{}', created_at: 1, expires_at: 2 })
      .execute();
    await first.close();

    const second = new SqliteDatabase(join(folder, 'new'));
    await second.open();
    const rows = await second.kysely.selectFrom('logins').select('id_hash').execute();
    await second.close();

    expect(rows).toEqual([{ id_hash: 'a' }]);
  });

  it('refuses a folder that another server has open, and says so', async () => {
    const first = new SqliteDatabase(folder);
    await first.open();
    const second = new SqliteDatabase(folder);

    await expect(second.open()).rejects.toThrow('another server has this folder open');

    await first.close();
  });

  it('keeps nothing of a transaction that throws', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    await database.open();

    const failing = database.transaction(async (trx) => {
      await trx
        .insertInto('logins')
        .values({ id_hash: 'a', user_id: null, data_json: '{}', created_at: 1, expires_at: 2 })
        .execute();
      throw new Error('no');
    });

    await expect(failing).rejects.toThrow('no');
    expect(await database.kysely.selectFrom('logins').selectAll().execute()).toEqual([]);
    await database.close();
  });

  it('has limits in the text of a statement, so that each is prepared once', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    const logins = database.kysely.selectFrom('logins').select('id_hash');

    expect(logins.limit(2).compile()).toMatchObject({
      sql: 'select "id_hash" from "logins" limit 2',
      parameters: [],
    });
    expect(logins.limit(sql<number>`${2} + 1`).compile()).toMatchObject({
      sql: 'select "id_hash" from "logins" limit ? + 1',
      parameters: [2],
    });
    await database.close();
  });

  it('tells the time in whole milliseconds by its own clock', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    await database.open();

    const { rows } = await sql<{ now: number }>`select ${database.now} as now`.execute(database.kysely);

    expect(Math.abs((rows[0]?.now ?? 0) - Date.now())).toBeLessThan(1000);
    expect(Number.isInteger(rows[0]?.now)).toBe(true);
    await database.close();
  });
});
