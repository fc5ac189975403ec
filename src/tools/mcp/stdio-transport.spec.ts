import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConnectionBench } from '../../../test/support/mcp/connection-bench.js';

const SCRIPT = join(import.meta.dirname, '../../../test/support/mcp/stdio-server.js');

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function connect(
  behaviour = 'well',
  config: object = {},
  times: { graceMs?: number } = {},
): Promise<ConnectionBench> {
  const command = { command: process.execPath, args: [SCRIPT, behaviour], ...config };
  const bench = new ConnectionBench(command, times);
  ends.push(() => bench.connection.close());
  await bench.start();
  return bench;
}

/** One that has died is dead, however long the machine's first process takes to bury it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const status = existsSync('/proc/self/stat') ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    return !/\) [XZ] /.test(status);
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid))
    await once(process, 'never', { signal: AbortSignal.timeout(10) }).catch(() => undefined);
}

const identity = async (bench: ConnectionBench): Promise<number> => Number(await bench.call('identity'));

describe('A tool server as a child process', () => {
  it('is listed and called', async () => {
    const bench = await connect();
    expect(bench.offers).toEqual([['echo', 'environment', 'identity', 'die', 'hang', 'child']]);
    expect(await bench.call('echo', { say: 'ä\u2028\n' })).toBe('ä\u2028\n');
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => bench.call('echo', { say: n })));
    expect(answers).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
  });

  it('gets PATH and what is configured, and nothing else of ours', async () => {
    process.env['OUR_SECRET'] = 'ours';
    try {
      const bench = await connect('well', { env: { KEY: 'theirs' } });
      const environment = JSON.parse(String(await bench.call('environment'))) as object;
      expect(Object.keys(environment).toSorted()).toEqual(['KEY', 'PATH']);
    } finally {
      delete process.env['OUR_SECRET'];
    }
  });

  it('hears when a call is given up', async () => {
    const bench = await connect();
    const controller = new AbortController();
    const call = bench.call('hang', {}, controller.signal).catch((error: unknown) => error);
    await bench.says('hanging');
    controller.abort(new Error('cancelled'));
    expect(await call).toBeInstanceOf(Error);
    await bench.says('stderr: cancelled');
  });

  it('leaves the outcome of a call unknown when it dies, and is started again', async () => {
    const bench = await connect();
    const first = await identity(bench);
    const hanging = bench.call('hang').catch((error: unknown) => error);
    await bench.says('hanging');
    expect(await bench.call('die').catch((error: unknown) => error)).toMatchObject({
      name: 'OutcomeUnknown',
      message: expect.stringContaining('the connection to the tool server "far" was lost during this call.'),
    });
    expect(await hanging).toMatchObject({ name: 'OutcomeUnknown' });
    await bench.offering();
    await bench.offering('echo', 'environment', 'identity', 'die', 'hang', 'child');
    expect(await identity(bench)).not.toBe(first);
  });

  it.each(['well', 'stubborn'])('is gone after the end (%s), with what it has started', async (behaviour) => {
    // Neither ends with its input: the one for its child, the other at nothing but SIGKILL.
    const bench = await connect(behaviour, {}, { graceMs: 100 });
    const pids = [await identity(bench), Number(await bench.call('child'))];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await bench.connection.close();
    await Promise.all(pids.map(gone));
  });

  it.each([
    ['crash', {}, 'the connection failed'],
    ['well', { command: 'there-is-no-such-command' }, 'ENOENT'],
    ['well', { cwd: '/there/is/no/such/folder' }, 'ENOENT'],
    ['flood', {}, 'the connection failed'],
  ])('is tried again when it cannot be used (%s %j)', async (behaviour, config, line) => {
    const bench = await connect(behaviour, config);
    await bench.says(line);
    expect(bench.offers).toEqual([]);
  });

  it('works although it says what is no message', async () => {
    const bench = await connect('garbage');
    expect(await bench.call('echo', { say: 1 })).toBe('1');
  });

  it('is heard on stderr, but not without end', async () => {
    const bench = await connect('noisy');
    await bench.call('echo', { say: 1 });
    const heard = bench.lines.filter((line) => line.startsWith('stderr: '));
    expect(heard[0]).toMatch(/^stderr: line 0 x+$/);
    // Each of its two starts, one of which only asks for the protocol, may have its own 20.
    expect(heard.length).toBeLessThanOrEqual(42);
    expect(Math.max(...heard.map(({ length }) => length))).toBeLessThanOrEqual(1_010);
  });
});
