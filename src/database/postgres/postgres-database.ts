import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool, types } from 'pg';
import { Database } from '../database.js';
import { migrate } from '../migrate.js';
import type { Schema } from '../schema.js';

/** Seconds between 1970 and now fit a double exactly, so `bigint` columns are read as numbers. */
const BIGINT_OID = 20;
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;

/** PostgreSQL 15 or newer, shared by any number of processes. */
export class PostgresDatabase extends Database {
  override readonly kysely: Kysely<Schema>;
  override readonly now = sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;
  override readonly skipLocked = sql`for update skip locked`;
  override readonly shareLock = sql`for share of r`;
  override readonly exclusive = false;
  private readonly pool: Pool;

  constructor(private readonly address: string) {
    super();
    types.setTypeParser(BIGINT_OID, Number);
    this.pool = new Pool({
      connectionString: address,
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // A connection that breaks while idle is replaced by the next query; unheard, the event would end the process.
    this.pool.on('error', () => undefined);
    this.kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: this.pool }) });
  }

  override describe(): string {
    const { hostname, port, pathname } = new URL(this.address);
    return `PostgreSQL at ${hostname}:${port || '5432'}${pathname}`;
  }

  override async open(): Promise<void> {
    await migrate(this.kysely);
  }

  override async close(): Promise<void> {
    await this.kysely.destroy();
  }
}
