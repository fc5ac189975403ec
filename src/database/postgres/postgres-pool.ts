import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Pool, type PoolClient, type PoolConfig, types } from 'pg';
import { hasCode } from '../../errors/app-error.js';
import { ConnectionQueue } from './connection-queue.js';
import { explainPostgresError, isConnectionSound } from './postgres-errors.js';

/** Times since 1970 in milliseconds fit a double exactly, so `bigint` columns are read as numbers. */
const BIGINT_OID = 20;
const MAX_CONNECTIONS = 10;
/** Longest wait for a new connection, or in silence for one of the pool: a caller is told soon that there is none. */
const CONNECT_MS = 2_000;
/** Longest wait for a connection of the pool while the database answers others. */
export const BUSY_MS = 15_000;
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

/**
 * Connections that Kysely uses; a broken one is thrown away, and errors tell whether the database is away.
 * @param busyMs how long somebody waits for a connection while the database answers others; without it, no longer
 * than for one that does not answer.
 */
export function openPool(options: PoolConfig, busyMs = 0): PostgresPool {
  types.setTypeParser(BIGINT_OID, Number);
  const { max = MAX_CONNECTIONS, connectionTimeoutMillis: awayMs = CONNECT_MS } = options;
  const pool = new Pool({ ...options, max });
  const queue = new ConnectionQueue(max, { awayMs, busyMs });
  // A connection that breaks while idle is replaced by the next query; unheard, the event would end the process.
  pool.on('error', () => undefined);
  // One that breaks between its greeting and its first query has nobody else to hear it.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return {
    connect: async () => {
      await queue.enter();
      try {
        return new WatchedConnection(await pool.connect(), queue);
      } catch (error) {
        queue.leave();
        throw explainPostgresError(error);
      }
    },
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

  constructor(
    private readonly client: PoolClient,
    private readonly queue: ConnectionQueue,
  ) {
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
    this.queue.leave();
  }

  private async execute<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    try {
      const result = await this.client.query(text, [...parameters]);
      this.queue.answered();
      return result as unknown as PostgresQueryResult<R>;
    } catch (error) {
      this.isSound &&= isConnectionSound(error);
      const explained = explainPostgresError(error);
      // A statement that the database gave up is no sign of life.
      if (!hasCode(explained, 'unavailable')) this.queue.answered();
      throw explained;
    }
  }
}
