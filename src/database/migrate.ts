import { type Kysely, sql } from 'kysely';
import { DEFAULT_MIGRATION_TABLE, type Migration, Migrator } from 'kysely/migration';
import * as initial from './migrations/2026-11-25-initial.js';
import * as manyNodes from './migrations/2026-11-25-many-nodes.js';
import * as wholeExecutor from './migrations/2026-11-25-whole-executor.js';
import * as audit from './migrations/2026-11-26-audit.js';
import * as door from './migrations/2026-11-26-door.js';
import * as limits from './migrations/2026-11-26-limits.js';
import * as runJournal from './migrations/2026-11-26-run-journal.js';
import * as threads from './migrations/2026-11-26-threads.js';
import * as unfinishedRuns from './migrations/2026-11-26-unfinished-runs.js';
import type { SharedSchema } from './tenant-tables.js';

/** All migrations by name; Kysely applies them in the order of their names and remembers which are done. */
const MIGRATIONS: Record<string, Migration> = {
  '2026-11-25-initial': initial,
  '2026-11-25-many-nodes': manyNodes,
  '2026-11-25-whole-executor': wholeExecutor,
  '2026-11-26-audit': audit,
  '2026-11-26-door': door,
  '2026-11-26-limits': limits,
  '2026-11-26-run-journal': runJournal,
  '2026-11-26-threads': threads,
  '2026-11-26-unfinished-runs': unfinishedRuns,
};

/**
 * Brings the tables up to date. Several processes may call it at once: Kysely holds a lock. What a newer version has
 * done already is passed over, so that this one can start again during a rolling deploy, or after it was taken back:
 * migrations only ever add.
 * @param shared where older versions are at work on the tables: each migration is then a transaction of its own, which
 * keeps no lock while the next one works, and gives up with `unavailable` when a lock is not to be had in so many
 * milliseconds. Who waits for one holds up everybody who comes later.
 */
export async function migrate(kysely: Kysely<SharedSchema>, shared?: { lockWaitMs: number }): Promise<void> {
  const ours = shared === undefined ? MIGRATIONS : withLockWait(MIGRATIONS, shared.lockWaitMs);
  for (;;) {
    const migrations = { ...ours, ...(await newerMigrations(kysely)) };
    const migrator = new Migrator({ db: kysely, provider: { getMigrations: async () => migrations } });
    const { error, results } =
      shared === undefined ? await migrator.migrateToLatest() : await migrator.migrateUp();
    if (error !== undefined) throw error;
    if (shared === undefined || !results?.length) return;
  }
}

function withLockWait(migrations: Record<string, Migration>, ms: number): Record<string, Migration> {
  const limited = (migration: Migration): Migration => ({
    up: async (db) => {
      await sql`set local lock_timeout = ${sql.lit(ms)}`.execute(db);
      await migration.up(db);
    },
  });
  return Object.fromEntries(Object.entries(migrations).map(([name, each]) => [name, limited(each)]));
}

async function newerMigrations(kysely: Kysely<SharedSchema>): Promise<Record<string, Migration>> {
  const tables = await kysely.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === DEFAULT_MIGRATION_TABLE)) return {};
  const done = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(
    kysely,
  );
  const unknown = done.rows.filter(({ name }) => !(name in MIGRATIONS));
  return Object.fromEntries(unknown.map(({ name }) => [name, { up: async () => {} }]));
}
