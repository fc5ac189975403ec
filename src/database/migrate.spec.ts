import { expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { onEachDatabase } from '../../test/support/databases.js';
import { migrate } from './migrate.js';

onEachDatabase('a database that a newer version has migrated', (open) => {
  it('can be used by this one, which leaves alone what it does not know', async () => {
    const database = await open();
    const { kysely } = database;
    await sql`insert into kysely_migration (name, timestamp) values ('2099-01-01-later', '2099')`.execute(
      kysely,
    );

    await migrate(kysely);
    await migrate(kysely);

    const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(
      kysely,
    );
    expect(rows.at(-1)).toEqual({ name: '2099-01-01-later' });
    await sql`delete from kysely_migration where name = '2099-01-01-later'`.execute(kysely);
    await database.close();
  });
});
