import { afterAll, beforeAll, describe } from '@jest/globals';
import { sql } from 'kysely';
import type { Database } from '../../src/database/database.js';
import { PostgresDatabase } from '../../src/database/postgres/postgres-database.js';
import { IN_MEMORY, SqliteDatabase } from '../../src/database/sqlite/sqlite-database.js';
import { TENANT_TABLES } from '../../src/database/tenant-tables.js';

/** Opens an empty database; whoever opens it closes it. */
export type OpenDatabase = () => Promise<Database>;

/** The audit cannot be emptied. */
const TABLES = Object.keys(TENANT_TABLES).filter((table) => table !== 'audit_events');

/** Tells the same story on SQLite and, when `TEST_DATABASE_URL` names a server, on PostgreSQL. */
export function onEachDatabase(title: string, story: (open: OpenDatabase) => void): void {
  describe(`${title} (SQLite)`, () => story(openSqlite));
  const server = process.env['TEST_DATABASE_URL'];
  if (server === undefined || server === '') return;
  describe(`${title} (PostgreSQL)`, () => onPostgres(server, story));
}

export async function openSqlite(): Promise<Database> {
  const database = new SqliteDatabase(IN_MEMORY);
  await database.open();
  return database;
}

/** A database of its own for each spec: what claims "any run" must not find those of another. */
function onPostgres(server: string, story: (open: OpenDatabase) => void): void {
  const name = `agentline_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const address = new URL(server);
  address.pathname = name;
  beforeAll(() => command(server, `create database ${name}`));
  afterAll(() => command(server, `drop database ${name} with (force)`));
  story(async () => {
    const database = new PostgresDatabase(address.href);
    await database.open();
    await sql`truncate ${sql.raw(TABLES.join(', '))}`.execute(database.kysely);
    return database;
  });
}

async function command(server: string, text: string): Promise<void> {
  const database = new PostgresDatabase(server);
  try {
    await sql.raw(text).execute(database.kysely);
  } finally {
    await database.close();
  }
}
