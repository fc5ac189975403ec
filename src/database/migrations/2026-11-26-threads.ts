import type { Kysely } from 'kysely';

/** Sessions under the ids that clients made up for them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('threads')
    .addColumn('tenant_id', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('client_id', 'text', (c) => c.notNull())
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('threads_key', ['tenant_id', 'user_id', 'kind', 'client_id'])
    .execute();
  await db.schema.createIndex('threads_session').on('threads').column('session_id').execute();
}
