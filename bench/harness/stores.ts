import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Client } from 'pg';
import { PostgresServer } from '../../scripts/postgres/postgres-server.mjs';
import { RedisServer } from '../../scripts/redis/redis-server.mjs';

export type StoreKind = 'postgres' | 'redis';

/** Of one second, as Linux has it for all programs. */
const TICKS = 100;

/** A PostgreSQL and a Redis of the machine's own binaries, started when first asked for. */
export class Stores {
  private postgres: Promise<PostgresServer> | undefined;
  private redis: Promise<RedisServer> | undefined;
  private databases = 0;

  /** A new database. */
  async postgresUrl(): Promise<string> {
    this.postgres ??= PostgresServer.start({ durable: true });
    const { port, url } = await this.postgres;
    this.databases += 1;
    const name = `bench_${this.databases}`;
    await query(url, `create database ${name}`);
    return `postgres://postgres@127.0.0.1:${port}/${name}`;
  }

  async redisUrl(): Promise<string> {
    this.redis ??= RedisServer.start();
    return (await this.redis).url;
  }

  /** CPU time that the stores' processes have used so far, in microseconds, by the kernel's count of 10 ms. */
  async cpu(kind: StoreKind): Promise<number> {
    const server = await (kind === 'postgres' ? this.postgres : this.redis);
    // Set when it is started; its declaration names what tests need.
    const pids = (server as unknown as { process: { pids: number[] } } | undefined)?.process.pids ?? [];
    return pids.reduce((sum, pid, index) => sum + cpuOf(pid, index === 0), 0);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.postgres, this.redis].map(async (server) => (await server)?.stop()));
  }
}

async function query(url: string, text: string): Promise<void> {
  const { Client: Postgres } = createRequire(import.meta.url)('pg') as { Client: typeof Client };
  const client = new Postgres({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
}

/** As proc_pid_stat(5) has it; of the first process also what those have used that it has seen end. */
function cpuOf(pid: number, withEnded: boolean): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, withEnded ? 15 : 13).reduce((sum, field) => sum + Number(field), 0);
    return (ticks / TICKS) * 1e6;
  } catch {
    // It has ended since.
    return 0;
  }
}
