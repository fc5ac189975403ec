import type { Kysely } from 'kysely';

/** What clients may do, counted over all nodes; runs know the key that started them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('limit_counters')
    .addColumn('scope', 'text', (c) => c.primaryKey())
    .addColumn('used', 'bigint', (c) => c.notNull())
    .addColumn('granted', 'bigint', (c) => c.notNull())
    .addColumn('ends_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('limit_holders')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('expires_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('limit_slots')
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('holder', 'text', (c) => c.notNull())
    .addColumn('slots', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('limit_slots_key', ['scope', 'holder'])
    .execute();
  await db.schema.createIndex('limit_slots_holder').on('limit_slots').column('holder').execute();
  await db.schema.alterTable('runs').addColumn('key_id', 'text').execute();
}
