import type { Compilable, CompiledQuery, Kysely, QueryResult, RawBuilder, Transaction } from 'kysely';
import type { Notices } from './notices.js';
import type { Schema } from './schema.js';
import type { SharedSchema } from './tenant-tables.js';
import { TenantScope } from './tenant-scope.js';

/**
 * What a query runs on: the database itself, or a transaction of it. Tables of tenants are not there: `of` and
 * `acrossTenants` give them.
 */
export type Queryable = Kysely<SharedSchema> | Transaction<SharedSchema>;

/** All tables, of one tenant or of all. */
export type Tables = Kysely<Schema>;

/** What belongs to a tenant, or a user of it. */
export interface OfTenant {
  tenantId: string;
}

/** Values that a statement takes. */
export type StatementValue = string | number | null;

/** Statements of one transaction, each over when it returns; prepared once for each text. */
export interface Statements {
  /** The first row; undefined when there is none. */
  get(text: string, ...values: StatementValue[]): unknown;
  all(text: string, ...values: StatementValue[]): unknown[];
  run(text: string, ...values: StatementValue[]): void;
}

/**
 * An engine that is in this process: for the few statements that every word of every run needs, without what a query
 * builder, promises and a wire cost.
 */
export interface InProcess {
  /**
   * Runs `work`, which must not wait, in a transaction of its own: at once, or after the one that is open. All of it
   * is committed, or, when it throws, nothing.
   * @param committed called with the result in the same moment as it is committed, before anything else can come.
   */
  transaction<T>(work: (statements: Statements) => T, committed?: (result: T) => void): Promise<T>;
}

/**
 * The database: one typed handle, whichever engine is behind it.
 *
 * Repositories build their queries on `of`, which has the rows of one tenant, and take from here the few things in
 * which the engines differ. Everything that is compared over processes (leases, expiry) uses `now`, the database's clock,
 * never the clock of a node.
 */
export abstract class Database {
  /** Typed query builder over the tables that belong to no tenant: a query of others does not compile. */
  abstract readonly kysely: Kysely<SharedSchema>;

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

  /** The way straight into an engine that is in this process; undefined where it is elsewhere. */
  readonly inProcess: InProcess | undefined = undefined;

  /**
   * The same for the few statements that must not wait behind others for a connection: who holds a run prolongs its
   * lease and writes what it says with it.
   */
  abstract readonly urgent: Tables;

  /**
   * The tables as one tenant has them: whatever is asked or changed through it, rows of other tenants are not there
   * (`tenant-tables.ts` says to whom a row belongs).
   * @param on the transaction that it belongs to.
   */
  of({ tenantId }: OfTenant, on: Queryable = this.kysely): Tables {
    return allOf(on.withPlugin(new TenantScope(tenantId)));
  }

  /**
   * All tables, whosever the rows are: for what is right for all tenants, like leases, sweeps and sign-in. Who may
   * use it stands in test/support/tenant-rules.ts, with the reason.
   */
  acrossTenants(on: Queryable = this.kysely): Tables {
    return allOf(on);
  }

  /** Runs `work` in one transaction: all of it is committed, or, when it throws, nothing. */
  transaction<T>(work: (trx: Transaction<SharedSchema>) => Promise<T>): Promise<T> {
    return this.kysely.transaction().execute(work);
  }

  /** Opens and migrates. Throws when the data cannot be used, with what to check. */
  abstract open(): Promise<void>;

  /** Ends all connections; the data folder is free afterwards. */
  abstract close(): Promise<void>;
}

/**
 * A query of one tenant's rows whose text is made once for each database: to make it with every call costs more than
 * the embedded engine needs to answer it. What may differ from call to call are its values alone.
 */
export class KeptQuery<V extends Readonly<Record<string, StatementValue>>, Row> {
  private readonly compiled = new WeakMap<Database, CompiledQuery<Row>>();

  /** @param make makes the query with what stands for its values, which may be passed on, but not looked at. */
  constructor(
    private readonly make: (
      tables: Tables,
      values: V,
      of: OfTenant & { database: Database },
    ) => Compilable<Row>,
  ) {}

  /** @param on the transaction that it belongs to. */
  ask(
    database: Database,
    { tenantId }: OfTenant,
    values: V,
    on: Queryable = database.kysely,
  ): Promise<QueryResult<Row>> {
    const query = this.compiled.get(database) ?? this.compile(database);
    const given = { ...values, tenantId };
    const parameters = query.parameters.map((each) => (each instanceof Slot ? each.valueIn(given) : each));
    return on.executeQuery({ ...query, parameters });
  }

  private compile(database: Database): CompiledQuery<Row> {
    const slots = new Map<string, Slot>();
    const slotOf = (name: string): Slot => {
      const slot = slots.get(name) ?? new Slot(name);
      slots.set(name, slot);
      return slot;
    };
    // The builder and the tenant's scope pass values on as they are, so what stands for one may be of another type.
    const values = new Proxy({}, { get: (_, name) => slotOf(String(name)) }) as V & OfTenant;
    const { tenantId } = values;
    const query = this.make(database.of({ tenantId }), values, { tenantId, database }).compile();
    this.compiled.set(database, query);
    return query;
  }
}

/** Stands in a kept query for the value of this name. */
class Slot {
  constructor(private readonly name: string) {}

  valueIn(values: Readonly<Record<string, StatementValue>>): StatementValue {
    const value = values[this.name];
    if (value === undefined) throw new Error(`A kept query was asked without its value ${this.name}.`);
    return value;
  }
}

/** The type alone: every handle reaches every table. */
function allOf(on: Queryable): Tables {
  return on as Kysely<unknown>;
}
