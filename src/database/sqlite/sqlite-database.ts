import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { EnvironmentError } from '../../errors/environment.js';
import { makeDataFolder } from '../data-folder.js';
import { Database, type Tables } from '../database.js';
import { migrate } from '../migrate.js';
import { NoNotices } from '../notices.js';
import type { SharedSchema } from '../tenant-tables.js';
import { LiteralLimitDialect } from './literal-limit-dialect.js';
import { explainSqliteError, isBusy } from './sqlite-errors.js';
import { SqliteStatements } from './sqlite-statements.js';
import { StatementCache } from './statement-cache.js';

/** Keeps everything in memory, for tests. */
export const IN_MEMORY = ':memory:';

/**
 * The embedded database: SQLite in WAL mode, one process. `synchronous=NORMAL`: what is committed survives the
 * death of the process, not a power failure (https://sqlite.org/pragma.html#pragma_synchronous).
 */
export class SqliteDatabase extends Database {
  override readonly kysely: Kysely<SharedSchema>;
  override readonly now = sql<number>`cast(unixepoch('subsec') * 1000 as integer)`;
  override readonly skipLocked = sql``;
  override readonly shareLock = sql``;
  override readonly exclusive = true;
  override readonly notices = new NoNotices();
  override readonly inProcess: SqliteStatements;
  private readonly file: string;
  private connection: DatabaseSync | undefined;

  constructor(private readonly folder: string) {
    super();
    this.file = folder === IN_MEMORY ? IN_MEMORY : join(folder, 'agentline.sqlite');
    this.kysely = new Kysely<SharedSchema>({
      dialect: new LiteralLimitDialect({ database: async () => new StatementCache(this.connect()) }),
    });
    this.inProcess = new SqliteStatements(
      () => this.connection,
      (job) => this.kysely.connection().execute(job),
    );
  }

  /** Every statement is at once here. */
  override get urgent(): Tables {
    return this.acrossTenants();
  }

  override describe(): string {
    return `SQLite in ${this.file}`;
  }

  override async open(): Promise<void> {
    this.connect();
    await migrate(this.kysely);
  }

  override async close(): Promise<void> {
    await this.kysely.destroy();
    if (this.connection?.isOpen === true) this.connection.close();
    this.connection = undefined;
  }

  private connect(): DatabaseSync {
    if (this.connection !== undefined) return this.connection;
    if (this.file !== IN_MEMORY) makeDataFolder(this.folder);
    const connection = new DatabaseSync(this.file);
    try {
      connection.exec(
        'pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = normal;',
      );
      connection.exec('begin immediate; commit;');
    } catch (cause) {
      connection.close();
      if (!isBusy(cause)) throw explainSqliteError(cause);
      throw new EnvironmentError(
        `DATA_DIR is ${JSON.stringify(this.folder)}, but another server has this folder open: stop that one, or choose another folder.`,
        { cause },
      );
    }
    // Its own knows A to Z alone.
    connection.function('lower', { deterministic: true }, (text) =>
      typeof text === 'string' ? text.toLowerCase() : text,
    );
    this.connection = connection;
    return connection;
  }
}
