import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, it } from '@jest/globals';
import { Client } from 'pg';
import { PostgresServer } from '../../../scripts/postgres/postgres-server.mjs';
import { RedisServer } from '../../../scripts/redis/redis-server.mjs';

/** Where runs' events are kept. */
export type LogKind = 'sql' | 'redis';

export const LOGS: LogKind[] = ['sql', 'redis'];

/** The stores that nodes share: a PostgreSQL and, where asked for, a Redis. Each cluster has a database of its own. */
export class Stores {
  private databases = 0;

  private constructor(
    readonly postgres: PostgresServer,
    readonly redis: RedisServer | undefined,
  ) {}

  static async start(kinds: readonly LogKind[] = ['sql']): Promise<Stores> {
    const postgres = await PostgresServer.start();
    if (!kinds.includes('redis')) return new Stores(postgres, undefined);
    try {
      return new Stores(postgres, await RedisServer.start());
    } catch (error) {
      await postgres.stop();
      throw error;
    }
  }

  /** Stores that somebody else starts and ends. */
  static of(postgres: PostgresServer, redis?: RedisServer): Stores {
    return new Stores(postgres, redis);
  }

  /** @returns the name of a new database. */
  async newDatabase(): Promise<string> {
    this.databases += 1;
    const name = `cluster_${this.databases}_${Date.now().toString(36)}`;
    const client = new Client({ connectionString: this.postgres.url });
    await client.connect();
    await client.query(`create database ${name}`);
    await client.end();
    return name;
  }

  async stop(): Promise<void> {
    await this.redis?.stop();
    await this.postgres.stop();
  }
}

/**
 * `describe` for stories that need real stores. Without their programs they are skipped, and it is said what to
 * install; in CI (`CI` is set) they fail instead.
 */
export function describeWith(kinds: readonly LogKind[], title: string, story: () => void): void {
  const lack = kinds.map(lackOf).find((text) => text !== undefined) ?? lackOf('sql');
  if (lack === undefined) {
    describe(title, story);
    return;
  }
  process.stdout.write(`skipped: ${title}. ${lack}\n`);
  if (process.env['CI']) {
    it(title, () => {
      throw new Error(lack);
    });
  } else describe.skip(title, story);
}

function inPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

/** The same story on each log. `LOG=sql` or `LOG=redis` tells it on one alone. */
export function onEachLog(title: string, story: (log: LogKind) => void): void {
  const only = process.env['LOG'];
  for (const log of LOGS) {
    if (only === undefined || only === log) describeWith([log], `${title} (${log})`, () => story(log));
  }
}

function lackOf(kind: LogKind): string | undefined {
  if (kind === 'redis') {
    return inPath('redis-server')
      ? undefined
      : 'There is no Redis on this machine: apt-get install redis-server.';
  }
  const hasPostgres = inPath('initdb') || globSync('/usr/lib/postgresql/*/bin/initdb').length > 0;
  return hasPostgres ? undefined : 'There is no PostgreSQL on this machine: apt-get install postgresql.';
}
