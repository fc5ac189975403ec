import { Kysely, PostgresDialect, sql } from 'kysely';
import { Database, type Tables } from '../database.js';
import { migrate } from '../migrate.js';
import type { SharedSchema } from '../tenant-tables.js';
import { PostgresNotices } from './postgres-notices.js';
import { BUSY_MS, connectionOptions, openPool, patientOptions } from './postgres-pool.js';

/** Leases and the log: one statement of each at a time. */
const URGENT_CONNECTIONS = 2;
/** Longest wait of a migration for a lock: behind it waits every query of the nodes that are at work. */
const LOCK_WAIT_MS = 3_000;

/**
 * PostgreSQL 15 or newer, shared by any number of processes. Its errors tell `unavailable` while it is away,
 * read-only or has no connection left, and `storage_full` when its disk is full.
 */
export class PostgresDatabase extends Database {
  override readonly kysely: Kysely<SharedSchema>;
  override readonly urgent: Tables;
  override readonly now = sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`;
  override readonly skipLocked = sql`for update skip locked`;
  override readonly shareLock = sql`for share of r`;
  override readonly exclusive = false;
  override readonly notices: PostgresNotices;

  constructor(private readonly address: string) {
    super();
    this.kysely = open(connectionOptions(address), BUSY_MS);
    this.urgent = open({ ...connectionOptions(address), max: URGENT_CONNECTIONS });
    this.notices = new PostgresNotices(address, (channel, payloads) =>
      sql`select pg_notify(${channel}, payload) from unnest(cast(${payloads} as text[])) as payload`.execute(
        this.kysely,
      ),
    );
  }

  override describe(): string {
    const { hostname, port, pathname } = new URL(this.address);
    return `PostgreSQL at ${hostname}:${port || '5432'}${pathname}`;
  }

  override async open(): Promise<void> {
    const kysely = open<SharedSchema>({ ...patientOptions(this.address), max: 2 });
    try {
      await migrate(kysely, { lockWaitMs: LOCK_WAIT_MS });
    } finally {
      await kysely.destroy();
    }
    await this.notices.open();
  }

  override async close(): Promise<void> {
    await this.notices.close();
    await Promise.all([this.kysely.destroy(), this.urgent.destroy()]);
  }
}

function open<Schema>(...pool: Parameters<typeof openPool>): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: openPool(...pool) }) });
}
