import { EnvironmentError } from '../../errors/environment.js';
import type { ScriptedRedis } from './redis-connection.js';

const START_MS = 10_000;
const LEAST_VERSION = [6, 2] as const;
/** Trying again does not help against these answers. */
const FINAL = /^(WRONGPASS|NOAUTH|NOPERM)\b/;

/**
 * Connects, and sees whether this Redis can hold the log.
 * @param place where it is, without credentials.
 * @throws EnvironmentError that names REDIS_URL.
 */
export async function checkRedis(
  redis: ScriptedRedis,
  place: string,
  warn: (text: string) => void,
  startMs = START_MS,
): Promise<void> {
  const info = await connect(redis, startMs).catch((error: Error) => {
    redis.disconnect();
    throw new EnvironmentError(
      `REDIS_URL names a Redis at ${place}, but it cannot be used: ${reasonOf(error)}. Check the address, the password, and that it runs.`,
    );
  });
  const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? '0';
  if (!isNewEnough(version)) {
    redis.disconnect();
    throw new EnvironmentError(
      `REDIS_URL names a Redis ${version} at ${place}, but the event log needs ${LEAST_VERSION.join('.')} or newer.`,
    );
  }
  if (!/^aof_enabled:1/m.test(info)) {
    warn(`The Redis at ${place} has appendonly off: should it restart, the events of all runs are lost.`);
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor >= LEAST_VERSION[1]);
}

/** It goes on trying by itself, until it is ready, refused for good, or late. @returns what it says of itself. */
async function connect(redis: ScriptedRedis, startMs: number): Promise<string> {
  let last = new Error('no answer');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(last), startMs);
  const hear = (error: Error) => {
    last = error;
    if (FINAL.test(error.message)) reject(error);
  };
  redis.on('error', hear).once('ready', resolve);
  // Only the first try; what went wrong is heard as an error too.
  redis.connect().catch(() => undefined);
  try {
    await promise;
    return await redis.info();
  } finally {
    clearTimeout(timer);
    redis.off('error', hear).off('ready', resolve);
  }
}

/** What went wrong in a word, since whole messages may repeat what was sent. */
function reasonOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code;
  return /^[A-Z]{4,}/.exec(error.message)?.[0] ?? 'no answer';
}
