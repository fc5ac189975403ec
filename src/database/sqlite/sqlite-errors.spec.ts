import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { IN_MEMORY, SqliteDatabase } from './sqlite-database.js';

describe('a database without space', () => {
  it('says storage_full, keeps what it had, and works again when there is space', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    const insert = (id: string, size: number) =>
      sql`insert into logins (id_hash, data_json, created_at, expires_at)
        values (${id}, ${'x'.repeat(size)}, 1, 1)`.execute(database.kysely);
    await insert('before', 10);
    const pages = (await sql<{ page_count: number }>`pragma page_count`.execute(database.kysely)).rows[0]!;
    await sql.raw(`pragma max_page_count = ${pages.page_count}`).execute(database.kysely);

    await expect(insert('big', 100_000)).rejects.toMatchObject({ code: 'storage_full', status: 507 });
    const { rows } = await sql<{ id_hash: string }>`select id_hash from logins`.execute(database.kysely);
    expect(rows).toEqual([{ id_hash: 'before' }]);

    const transaction = database.transaction(async (trx) => {
      await sql`insert into logins (id_hash, data_json, created_at, expires_at)
        values ('in a transaction', ${'x'.repeat(100_000)}, 1, 1)`.execute(trx);
    });
    await expect(transaction).rejects.toMatchObject({ code: 'storage_full' });

    await sql.raw('pragma max_page_count = 100000').execute(database.kysely);
    await insert('after', 100_000);
    await database.close();
  });
});
