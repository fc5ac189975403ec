import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import {
  type AbortableQueryOptions,
  type CompiledQuery,
  Kysely,
  sql,
  SqliteDialect,
  type Transaction,
} from 'kysely';
import { Database, type OfTenant, type Queryable, type Tables } from '../../../src/database/database.js';
import { migrate } from '../../../src/database/migrate.js';
import { NoNotices, type Notices } from '../../../src/database/notices.js';
import type { SharedSchema } from '../../../src/database/tenant-tables.js';
import { StatementCache } from '../../../src/database/sqlite/statement-cache.js';
import type { PageRow, RunRow } from './ownership-model.js';
import type { VirtualClock } from './virtual-clock.js';

const TABLES = [
  'sessions',
  'runs',
  'messages',
  'message_parts',
  'tool_calls',
  'idempotency_keys',
  'run_pages',
  'run_inputs',
];
const RUNS = `select id, session_id, number, status, attempt, owner, lease_until, cancel_requested_at, checkpoint_seq,
  created_at, started_at, ended_at, error_code, last_event_id,
  (select max(last_seq) from run_pages p where p.run_id = r.id) as log_seq from runs r order by created_at, id`;
const NOW = sql<number>`virtual_now()`;

/** The one database that all virtual nodes share: SQLite in memory, with the virtual clock as its own. */
export class SharedStore extends Database {
  override readonly kysely: Kysely<SharedSchema>;
  override readonly now = NOW;
  override readonly skipLocked = sql``;
  override readonly shareLock = sql``;
  override readonly exclusive = false;
  override readonly notices: Notices = new NoNotices();
  private readonly connection = new DatabaseSync(':memory:');
  private readonly statements = new Map<string, StatementSync>();
  private changes = 0;
  private lastPage = 0;

  constructor(clock: VirtualClock) {
    super();
    this.connection.function('virtual_now', () => clock.now);
    const database = new StatementCache(this.connection);
    this.kysely = new Kysely<SharedSchema>({
      dialect: new SqliteDialect({ database: async () => database }),
    });
  }

  override get urgent(): Tables {
    return this.acrossTenants();
  }

  override describe(): string {
    return 'the store of the simulation';
  }

  override open(): Promise<void> {
    return migrate(this.kysely);
  }

  override async close(): Promise<void> {
    await this.kysely.destroy();
  }

  empty(): void {
    this.connection.exec(TABLES.map((table) => `delete from ${table}`).join(';'));
    this.lastPage = 0;
    this.changes = this.totalChanges;
  }

  /** What the last statement changed: all runs as they are now, and the pages that are new; undefined: nothing. */
  changed(): { runs: RunRow[]; pages: PageRow[] } | undefined {
    if (this.totalChanges === this.changes) return undefined;
    this.changes = this.totalChanges;
    const runs = this.rows<RunRow>(RUNS);
    this.lastPage = Math.min(this.lastPage, this.newestPage);
    const pages = this.rows<PageRow & { rowid: number }>(
      'select rowid, * from run_pages where rowid > ? order by rowid',
      this.lastPage,
    );
    this.lastPage = pages.at(-1)?.rowid ?? this.lastPage;
    return { runs, pages };
  }

  /** The log of a run is too old to be kept. */
  trim(runId: string): void {
    this.rows('delete from run_pages where run_id = ?', runId);
    this.changes = this.totalChanges;
    this.lastPage = this.newestPage;
  }

  rows<Row>(text: string, ...parameters: SQLInputValue[]): Row[] {
    const statement = this.statements.get(text) ?? this.connection.prepare(text);
    this.statements.set(text, statement);
    return statement.all(...parameters) as Row[];
  }

  /** Row numbers are given again after the newest rows are deleted. */
  private get newestPage(): number {
    return this.rows<{ n: number }>('select coalesce(max(rowid), 0) as n from run_pages')[0]!.n;
  }

  private get totalChanges(): number {
    return this.rows<{ n: number }>('select total_changes() as n')[0]!.n;
  }
}

/** What goes to the store: one statement, or a transaction. */
export interface Call<T> {
  effect: () => Promise<T>;
  isTransaction: boolean;
  /** Whether the answer says that an append came too late. */
  isRefused: (result: T) => boolean;
}

/** Brings a call to the store and its answer back, or not. */
export type Reach = <T>(call: Call<T>) => Promise<T>;

/** The shared store as one node sees it: far away, behind everything that can go wrong on the way. */
export class DistantStore extends Database {
  override readonly kysely: Kysely<SharedSchema>;
  override readonly now = NOW;
  override readonly skipLocked = sql``;
  override readonly shareLock = sql``;
  override readonly exclusive = false;

  constructor(
    private readonly store: SharedStore,
    override readonly notices: Notices,
    private readonly reach: Reach,
  ) {
    super();
    this.kysely = store.kysely.withoutPlugins();
    this.remove(this.kysely.getExecutor());
  }

  override of(owner: OfTenant, on: Queryable = this.kysely): Tables {
    const tables = super.of(owner, on);
    if (on === this.kysely) this.remove(tables.getExecutor());
    return tables;
  }

  /** Far away from here on. */
  private remove(executor: ReturnType<Tables['getExecutor']>): void {
    const execute = executor.executeQuery.bind(executor);
    executor.executeQuery = <R>(query: CompiledQuery<R>, options?: AbortableQueryOptions) =>
      this.reach({
        effect: () => execute<R>(query, options),
        isTransaction: false,
        isRefused: ({ rows }) => rows.length === 0 && query.sql.includes('insert into run_pages'),
      });
  }

  override get urgent(): Tables {
    return this.acrossTenants();
  }

  override describe(): string {
    return 'the store, from far away';
  }

  /** Whole or not at all, so one way there and one back. */
  override transaction<T>(work: (trx: Transaction<SharedSchema>) => Promise<T>): Promise<T> {
    const effect = () => this.store.transaction(work);
    return this.reach({ effect, isTransaction: true, isRefused: () => false });
  }

  override async open(): Promise<void> {}

  override async close(): Promise<void> {}
}
