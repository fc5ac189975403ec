import type { Kysely } from 'kysely';

/** Messages that join a run while it works (`when_busy: steer`), and runs that end when nobody watches them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('run_inputs')
    .addColumn('message_id', 'text', (c) => c.primaryKey())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .addColumn('content_json', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema.createIndex('run_inputs_run').on('run_inputs').column('run_id').execute();
  await db.schema.alterTable('runs').addColumn('steerable_attempt', 'integer').execute();
  await db.schema.alterTable('runs').addColumn('watched_until', 'bigint').execute();
  await db.schema
    .alterTable('runs')
    .addColumn('inputs', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.createIndex('runs_ended').on('runs').columns(['ended_at', 'id']).execute();
}
