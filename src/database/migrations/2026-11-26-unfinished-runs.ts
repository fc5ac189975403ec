import { type Kysely, sql } from 'kysely';

/** Counts the open runs of a user. By itself: runs cannot be written while all of them are read for it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createIndex('runs_open_owner')
    .ifNotExists()
    .on('runs')
    .columns(['tenant_id', 'user_id'])
    .where(sql<boolean>`status in ('queued', 'running', 'waiting') and parent_run_id is null`)
    .execute();
}
