import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { CutProxy } from '../../../test/support/cut-proxy.js';
import { over } from '../../../test/support/over.js';
import { until, within } from '../../../test/support/until.js';
import { newId } from '../../database/ids.js';
import { RedisServer } from '../../../scripts/redis/redis-server.mjs';
import { describeEventLog } from '../event-log.contract.js';
import type { EventLog, LogPage } from '../event-log.js';
import { LogLost } from '../log-lost.js';
import type { RunEvent } from '../run-event.js';
import { checkRedis } from './check-redis.js';
import { connectForCommands, type ScriptedRedis } from './redis-connection.js';
import { RedisEventLog } from './redis-event-log.js';
import { streamKey } from './stream-entry.js';

const stay = new AbortController().signal;
const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const linesOf = (pages: LogPage[]) =>
  pages.flatMap(({ attempt, firstSeq, entries }) =>
    entries.map(
      ({ data }, index) => `${attempt}.${firstSeq + index} ${(JSON.parse(data) as { text: string }).text}`,
    ),
  );

/** Reads on in the background; how that ends may be looked at later. */
function collect(seen: string[], log: EventLog, runId: string, after = 0): Promise<string[]> {
  const reading = readAll(seen, log, runId, after);
  reading.catch(() => undefined);
  return reading;
}

async function readAll(seen: string[], log: EventLog, runId: string, after: number): Promise<string[]> {
  for await (const pages of log.follow(runId, after, stay)) seen.push(...linesOf(pages));
  return seen;
}

async function openLog(url: string, options: { holdMs?: number; retentionMs?: number } = {}) {
  const warnings: string[] = [];
  const log = new RedisEventLog({
    url,
    retentionMs: 604_800_000,
    warn: (text) => warnings.push(text),
    ...options,
  });
  await log.open();
  return { log, warnings };
}

const shared = process.env['TEST_REDIS_URL'];
it('says where the events are, without the password', async () => {
  const log = new RedisEventLog({ url: 'rediss://ada:secret@redis.example/2', retentionMs: 60_000 });
  expect(log.describe()).toBe('Redis Streams at redis.example:6379');
  await log.close();
});

if (shared !== undefined && shared !== '') {
  describeEventLog('Redis', async () => {
    const proxy = await CutProxy.open(shared);
    const { log } = await openLog(proxy.url(shared));
    const { log: other } = await openLog(proxy.url(shared));
    return {
      log,
      other,
      setAttempt: async (runId: string, attempt: number) => {
        if (attempt > 1) (await other.writer(runId, attempt)).close();
      },
      breakStore: () => proxy.cut(),
      healStore: () => proxy.heal(),
      close: async () => {
        await Promise.all([log.close(), other.close()]);
        await proxy.close();
      },
    };
  });
  describe('a log in a Redis of its own', tellOfFaults);
}

function tellOfFaults(): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start({ appendfsync: 'always' });
  });
  afterAll(() => server.stop());

  it('goes on where it was after a restart', async () => {
    const { log } = await openLog(server.url);
    const { log: other } = await openLog(server.url);
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await writer.append(token('a'));
    const seen: string[] = [];
    const reader = collect(seen, other, runId).catch((error: unknown) => seen.push(String(error)));
    await until('the first is seen', () => seen.length === 1);
    await server.crash();
    const written = writer.append(token('b'));
    await server.restart();
    await written;
    await until('the second is seen', () => seen.length === 2);

    expect(seen).toEqual(['1.1 a', '1.2 b']);
    await other.remove(runId);
    await reader;
    expect(seen).toHaveLength(2);
    await Promise.all([log.close(), other.close()]);
  });

  it('that was emptied refuses its writer, and tells its readers, who then see the run begin anew', async () => {
    const { log } = await openLog(server.url);
    const { log: other } = await openLog(server.url);
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await writer.append(token('a'), token('b'));
    const [here, there]: [string[], string[]] = [[], []];
    const readers = [collect(here, log, runId), collect(there, other, runId)];
    await until('both have the events', () => here.length === 2 && there.length === 2);
    await withClient(server, (client) => client.flushall());

    await expect(writer.append(token('c'))).rejects.toBeInstanceOf(LogLost);
    expect(writer.refused.reason).toBeInstanceOf(LogLost);
    for (const reader of readers)
      await expect(within(10_000, 'readers know', reader)).rejects.toBeInstanceOf(LogLost);
    const again = collect([], other, runId);
    const next = await log.writer(runId, 2, 2);
    await next.append(token('x'));
    await until('the new log is read', async () => (await other.end(runId))?.seq === 1);
    await log.remove(runId);

    expect(await again).toEqual(['2.1 x']);
    await Promise.all([log.close(), other.close()]);
  });

  it('that has lost its last events tells readers who have had them', async () => {
    const { log } = await openLog(server.url);
    const { log: other } = await openLog(server.url);
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    for (const text of ['a', 'b', 'c']) await writer.append(token(text));
    const seen: string[] = [];
    const reader = collect(seen, other, runId);
    await until('all are seen', () => seen.length === 3);
    await withClient(server, (client) => client.xdel(streamKey(runId), '1-3'));

    await expect(writer.append(token('d'))).rejects.toBeInstanceOf(LogLost);
    const next = await log.writer(runId, 2, 2);
    expect(next.lastSeq).toBe(2);
    await expect(within(10_000, 'the reader knows', reader)).rejects.toBeInstanceOf(LogLost);
    await Promise.all([log.close(), other.close()]);
  });

  it('that stands still is noticed, and readers and writers go on afterwards', async () => {
    const { log } = await openLog(server.url, { holdMs: 60_000 });
    const { log: other } = await openLog(server.url);
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await writer.append(token('a'));
    const seen: string[] = [];
    const reader = collect(seen, other, runId);
    await until('the first is seen', () => seen.length === 1);
    server.pause();
    const written = writer.append(token('b'));
    const asked = await other.end(runId).catch((error: unknown) => error);
    expect(asked).toMatchObject({ code: 'unavailable' });
    server.resume();
    await written;
    await until('the second is seen', () => seen.length === 2);

    expect(seen).toEqual(['1.1 a', '1.2 b']);
    await log.remove(runId);
    await reader;
    await Promise.all([log.close(), other.close()]);
  }, 40_000);

  it('that answers nothing any more on a connection that stays open is left for a new one', async () => {
    const proxy = await CutProxy.open(server.url);
    const { log } = await openLog(server.url);
    const { log: other } = await openLog(proxy.url(server.url));
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await writer.append(token('a'));
    const seen: string[] = [];
    const reader = collect(seen, other, runId);
    await until('the first is seen', () => seen.length === 1);
    proxy.freeze();
    await writer.append(token('b'));
    const began = performance.now();
    await until('the second is seen', () => seen.length === 2, 20_000);
    const took = Math.round(performance.now() - began);
    process.stdout.write(`Redis: connections that fell silent were replaced after ${took} ms\n`);

    expect(took).toBeLessThan(10_000);
    await log.remove(runId);
    await reader;
    await Promise.all([log.close(), other.close()]);
    await proxy.close();
  }, 40_000);

  it('gives a writer up that could not write for as long as a lease lasts', async () => {
    const { log } = await openLog(server.url, { holdMs: 300 });
    const writer = await log.writer(newId('run'), 1);
    await server.crash();
    await expect(writer.append(token('a'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(writer.refused.reason).toMatchObject({ code: 'unavailable' });
    await server.restart();
    await log.close();
  });

  it('tells a writer that there is no space, and takes the next when there is', async () => {
    const { log } = await openLog(server.url);
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await withClient(server, (client) => client.config('SET', 'maxmemory', '1'));
    await expect(writer.append(token('a'))).rejects.toMatchObject({ code: 'storage_full' });
    await withClient(server, (client) => client.config('SET', 'maxmemory', '0'));
    const next = await log.writer(runId, 2);
    await next.append(token('b'));

    expect(linesOf(await log.read(runId, 0))).toEqual(['2.1 b']);
    await log.close();
  });

  it('is forgotten some time after its last event', async () => {
    const { log } = await openLog(server.url, { retentionMs: 60_000 });
    const runId = newId('run');
    const writer = await log.writer(runId, 1);
    await writer.append(token('a'));
    const left = await withClient(server, (client) => client.pttl(streamKey(runId)));

    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThanOrEqual(60_000);
    await log.close();
  });

  it('that cannot be used is told at start, in one line without the password', async () => {
    await withClient(server, (client) => client.config('SET', 'requirepass', 'right'));
    const address = server.url.replace('//', '//:wrong@');
    await expect(openLog(address)).rejects.toThrow(
      `REDIS_URL names a Redis at 127.0.0.1:${server.port}, but it cannot be used: WRONGPASS. Check the address, the password, and that it runs.`,
    );
    const { log } = await openLog(server.url.replace('//', '//:right@'));
    await log.close();
    await server.restart();
    const nobody = connectForCommands('redis://:secret@127.0.0.1:1', 10_000);
    await expect(checkRedis(nobody, '127.0.0.1:1', () => {}, 300)).rejects.toThrow(
      'REDIS_URL names a Redis at 127.0.0.1:1, but it cannot be used: ECONNREFUSED. Check the address, the password, and that it runs.',
    );
    const old = over(nobody, {
      connect: async () => undefined,
      once: (_event: string, ready: () => void) => (ready(), nobody),
      info: async () => 'redis_version:6.0.16\r\naof_enabled:1\r\n',
    } as unknown as Partial<ScriptedRedis>);
    await expect(checkRedis(old, 'here:1', () => {})).rejects.toThrow(
      'REDIS_URL names a Redis 6.0.16 at here:1, but the event log needs 6.2 or newer.',
    );
  });

  it('warns of a Redis that keeps nothing', async () => {
    await withClient(server, (client) => client.config('SET', 'appendonly', 'no'));
    const { log, warnings } = await openLog(server.url);
    await withClient(server, (client) => client.config('SET', 'appendonly', 'yes'));

    expect(warnings).toEqual([
      `The Redis at 127.0.0.1:${server.port} has appendonly off: should it restart, the events of all runs are lost.`,
    ]);
    expect(log.describe()).toBe(`Redis Streams at 127.0.0.1:${server.port}`);
    await log.close();
  });
}

async function withClient<T>(server: RedisServer, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(server.url);
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}
