import { Redis } from 'ioredis';
import { SCRIPTS } from './redis-scripts.js';

const CONNECT_MS = 5_000;
/** A command that is not answered for so long fails, in milliseconds; sooner where leases are short. */
const COMMAND_MS = 5_000;
const LEAST_COMMAND_MS = 500;
/** A connection on which an answer is due, and on which nothing comes, is destroyed a little before. */
const SILENCE_MS = 4_000;
/** How long one read waits for something new, in milliseconds, and how much longer its answer may take. */
export const BLOCK_MS = 5_000;
export const BLOCK_GRACE_MS = 3_000;
const RECONNECT_MS = { first: 50, most: 1_000 };

type Script = (...args: (string | number)[]) => Promise<unknown>;
export type ScriptedRedis = Redis & { [name in keyof typeof SCRIPTS]: Script };

const OPTIONS = {
  scripts: SCRIPTS,
  lazyConnect: true,
  protocol: 2,
  connectTimeout: CONNECT_MS,
  keepAlive: 5_000,
  connectionName: 'agentline',
  disableClientInfo: true,
} as const;

/**
 * The connection for everything that does not wait. Commands given while it is made anew wait for that one try:
 * they fail when it fails, since whoever gave them tries again, and knows for how long.
 * @param holdMs how long a run's owner may hold what it cannot write, in milliseconds.
 */
export function connectForCommands(url: string, holdMs: number): ScriptedRedis {
  const commandTimeout = Math.max(LEAST_COMMAND_MS, Math.min(COMMAND_MS, holdMs / 2));
  const redis = new Redis(url, {
    ...OPTIONS,
    commandTimeout,
    socketTimeout: Math.min(SILENCE_MS, commandTimeout),
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: reconnectMs,
    // After a failover the old primary is a replica: only a new connection finds the new one.
    reconnectOnError: (error) => error.message.includes('READONLY'),
  });
  return heard(redis);
}

/** A connection for reads that wait; it is used until it breaks, and never mended. */
export function connectForWaiting(url: string): ScriptedRedis {
  const redis = new Redis(url, {
    ...OPTIONS,
    socketTimeout: BLOCK_MS + BLOCK_GRACE_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: null,
  });
  return heard(redis);
}

/** Full jitter over a doubling wait: many servers that lost one Redis do not come back at the same moment. */
export function reconnectMs(times: number): number {
  const longest = Math.min(RECONNECT_MS.most, RECONNECT_MS.first * 2 ** Math.min(times, 10));
  return longest * (0.5 + Math.random() / 2);
}

/** Where it is, without credentials. */
export function placeOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || '6379'}`;
}

function heard(redis: Redis): ScriptedRedis {
  // Every command that fails says so itself; unheard, the event would be printed.
  redis.on('error', () => undefined);
  return redis as ScriptedRedis;
}
