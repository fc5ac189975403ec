import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { explainSqliteError } from './sqlite-errors.js';

const KEEP = 256;

/** `node:sqlite` as Kysely's dialect wants it; statements are prepared once and kept, oldest out first. */
export class StatementCache implements SqliteDatabase {
  private readonly statements = new Map<string, SqliteStatement>();

  constructor(private readonly connection: DatabaseSync) {}

  prepare(text: string): SqliteStatement {
    if (text === 'rollback') return this.rollback;
    const kept = this.statements.get(text);
    if (kept !== undefined) return kept;
    const statement = adapt(this.connection.prepare(text));
    this.statements.set(text, statement);
    if (this.statements.size > KEEP) {
      const [oldest] = this.statements.keys();
      if (oldest !== undefined) this.statements.delete(oldest);
    }
    return statement;
  }

  /** A full disk has ended the transaction already (https://sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction). */
  private readonly rollback: SqliteStatement = {
    reader: false,
    all: () => [],
    run: () => {
      if (this.connection.isTransaction) this.connection.exec('rollback');
      return { changes: 0, lastInsertRowid: 0 };
    },
    iterate: () => [][Symbol.iterator](),
  };

  close(): void {
    this.statements.clear();
    if (this.connection.isOpen) this.connection.close();
  }
}

function adapt(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => explained(() => statement.all(...(parameters as SQLInputValue[]))),
    run: (parameters) => explained(() => statement.run(...(parameters as SQLInputValue[]))),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}

function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explainSqliteError(error);
  }
}
