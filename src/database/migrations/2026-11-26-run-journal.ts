import type { Kysely } from 'kysely';

/** What runs have said in the last moment, all in one place, where the engine is in the process that runs them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('run_journal')
    .addColumn('id', 'integer', (c) => c.primaryKey())
    .addColumn('pages', 'text', (c) => c.notNull())
    .execute();
}
