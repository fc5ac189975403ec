import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { InProcess, Statements, StatementValue } from '../database.js';
import { explainSqliteError } from './sqlite-errors.js';

/** Lets a job run while nobody else has a transaction open on the connection. */
export type AfterOthers = <T>(job: () => Promise<T>) => Promise<T>;

/** Statements straight on the connection, beside Kysely's, which are never in between: nothing here waits. */
export class SqliteStatements implements InProcess, Statements {
  private readonly prepared = new Map<string, StatementSync>();
  private preparedOn: DatabaseSync | undefined;

  /** @param connection undefined while the database is not open. */
  constructor(
    private readonly connection: () => DatabaseSync | undefined,
    private readonly afterOthers: AfterOthers,
  ) {}

  async transaction<T>(work: (statements: Statements) => T, committed?: (result: T) => void): Promise<T> {
    if (!this.open().isTransaction) return this.execute(work, committed);
    return this.afterOthers(async () => this.execute(work, committed));
  }

  get(text: string, ...values: StatementValue[]): unknown {
    return this.prepare(text).get(...values);
  }

  all(text: string, ...values: StatementValue[]): unknown[] {
    return this.prepare(text).all(...values);
  }

  run(text: string, ...values: StatementValue[]): void {
    this.prepare(text).run(...values);
  }

  private execute<T>(work: (statements: Statements) => T, committed?: (result: T) => void): T {
    const connection = this.open();
    let result: T;
    try {
      this.run('begin immediate');
      result = work(this);
      this.run('commit');
    } catch (error) {
      // A full disk has ended it already.
      if (connection.isTransaction) this.run('rollback');
      throw explainSqliteError(error);
    }
    committed?.(result);
    return result;
  }

  private open(): DatabaseSync {
    const connection = this.connection();
    if (connection === undefined) throw new Error('The database is closed.');
    if (connection !== this.preparedOn) this.prepared.clear();
    this.preparedOn = connection;
    return connection;
  }

  private prepare(text: string): StatementSync {
    const kept = this.prepared.get(text);
    if (kept !== undefined) return kept;
    const statement = this.open().prepare(text);
    this.prepared.set(text, statement);
    return statement;
  }
}
