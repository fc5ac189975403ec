import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, type PoolClient, type PoolConfig, types } from 'pg';
import { explainPostgresError, isConnectionSound } from './postgres-errors.js';

/** Times since 1970 in milliseconds fit a double exactly, so `bigint` columns are read as numbers. */
const BIGINT_OID = 20;
const MAX_CONNECTIONS = 10;
/** Longest wait for a connection, new or of the pool: a caller is told soon that there is none. */
const CONNECT_MS = 2_000;
/** Longest statement, by the server's clock; no query of ours takes a tenth of it. */
const STATEMENT_MS = 5_000;
/** After this the server is not waited for any more, whatever its clock says. */
const ANSWER_MS = 6_000;
/** A process that stands still inside a transaction must not keep its locks. */
const IDLE_IN_TRANSACTION_MS = 5_000;
const KEEP_ALIVE_MS = 5_000;

/** How every connection to the server is made. */
export function connectionOptions(address: string) {
  return {
    ...patientOptions(address),
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  };
}

/** The same for statements that may take their time, like those of a migration. */
export function patientOptions(address: string) {
  return {
    connectionString: address,
    application_name: 'agentline',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
}

/** Connections that Kysely uses; a broken one is thrown away, and errors tell whether the database is away. */
export function openPool(options: PoolConfig): PostgresPool {
  types.setTypeParser(BIGINT_OID, Number);
  const pool = new Pool({ max: MAX_CONNECTIONS, ...options });
  // A connection that breaks while idle is replaced by the next query; unheard, the event would end the process.
  pool.on('error', () => undefined);
  // One that breaks between its greeting and its first query has nobody else to hear it.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return {
    connect: async () => new WatchedConnection(await explained(pool.connect())),
    end: () => pool.end(),
    options: pool.options,
  };
}

/** A connection in use. */
class WatchedConnection implements PostgresPoolClient {
  private isSound = true;
  private readonly onError = () => {
    this.isSound = false;
  };

  constructor(private readonly client: PoolClient) {
    client.on('error', this.onError);
  }

  query<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(
    statement: string | PostgresCursor<R>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    // Kysely streams with cursors; nothing here does.
    if (typeof statement !== 'string') throw new Error('Cursors are not used.');
    return this.execute<R>(statement, parameters);
  }

  release(): void {
    this.client.off('error', this.onError);
    this.client.release(!this.isSound);
  }

  private async execute<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    try {
      return (await this.client.query(text, [...parameters])) as unknown as PostgresQueryResult<R>;
    } catch (error) {
      this.isSound &&= isConnectionSound(error);
      throw explainPostgresError(error);
    }
  }
}

function explained<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw explainPostgresError(error);
  });
}
