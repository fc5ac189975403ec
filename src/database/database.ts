import type { Kysely, RawBuilder, Transaction } from 'kysely';
import type { Notices } from './notices.js';
import type { Schema } from './schema.js';

/** The handle that a query runs on: the database itself, or a transaction of it. */
export type Queryable = Kysely<Schema> | Transaction<Schema>;

/**
 * The database: one typed handle, whichever engine is behind it.
 *
 * Repositories build their queries on `kysely` and take from here the few things in which the engines
 * differ. Everything that is compared over processes (leases, expiry) uses `now`, the database's clock,
 * never the clock of a node.
 */
export abstract class Database {
  /** Typed query builder over all tables. */
  abstract readonly kysely: Kysely<Schema>;

  /** For people: the engine and where the data is, without credentials. */
  abstract describe(): string;

  /** Milliseconds since 1970 UTC by the database's clock, as an SQL expression. */
  abstract readonly now: RawBuilder<number>;

  /** What follows a `select` inside an update that claims one row: skips rows that another process claims. */
  abstract readonly skipLocked: RawBuilder<unknown>;

  /** What follows a `select` from `runs as r` so that the row cannot change before this statement commits. */
  abstract readonly shareLock: RawBuilder<unknown>;

  /** True where no other process can be at work on the same data, so leases found at start are dead. */
  abstract readonly exclusive: boolean;

  /** Tells other processes on the same data where to look. */
  abstract readonly notices: Notices;

  /**
   * The same for the few statements that must not wait behind others for a connection: who holds a run prolongs its
   * lease and writes what it says with it.
   */
  abstract readonly urgent: Kysely<Schema>;

  /** Runs `work` in one transaction: all of it is committed, or, when it throws, nothing. */
  transaction<T>(work: (trx: Transaction<Schema>) => Promise<T>): Promise<T> {
    return this.kysely.transaction().execute(work);
  }

  /** Opens and migrates. Throws when the data cannot be used, with what to check. */
  abstract open(): Promise<void>;

  /** Ends all connections; the data folder is free afterwards. */
  abstract close(): Promise<void>;
}
