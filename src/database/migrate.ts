import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import * as initial from './migrations/2026-11-25-initial.js';
import * as manyNodes from './migrations/2026-11-25-many-nodes.js';
import type { Schema } from './schema.js';

/** All migrations by name; Kysely applies them in the order of their names and remembers which are done. */
const MIGRATIONS: Record<string, Migration> = {
  '2026-11-25-initial': initial,
  '2026-11-25-many-nodes': manyNodes,
};

/** Brings the tables up to date. Several processes may call it at once: Kysely holds a lock. */
export async function migrate(kysely: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db: kysely, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
