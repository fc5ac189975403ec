import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { messageEnd, messageStart, wireEvent } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api } from '../support/api.js';
import { faultsOf, textOf } from '../support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';

const MIB = 1024 * 1024;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** "<count> <size>": so many deltas of so many characters. */
function answer(call: UpstreamCall) {
  const [count, size] = String(blocksOf(call.body.messages.at(-1)!)[0]?.['text'])
    .split(' ')
    .map(Number);
  return { sse: deltas(count!, size!) };
}

function* deltas(count: number, size: number): Iterable<string> {
  yield messageStart();
  yield wireEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  for (let n = 0; n < count; n += 1) {
    yield wireEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text: part(n, size) } });
  }
  yield wireEvent('content_block_stop', { index: 0 });
  yield* messageEnd('end_turn');
}

function part(n: number, size: number): string {
  return `${n} `.padEnd(size, 'é');
}

function hashOf(parts: Iterable<string>): string {
  const hash = createHash('sha256');
  for (const each of parts) hash.update(each);
  return hash.digest('hex');
}

function* partsOf(count: number, size: number): Iterable<string> {
  for (let n = 0; n < count; n += 1) yield part(n, size);
}

interface Measured {
  growth: number;
  events: number;
  ms: number;
}

/** A run of such deltas: the viewer has all of it; how much more memory the server took while it lasted. */
async function runOf(count: number, size: number): Promise<Measured> {
  const warm = server.rssBytes();
  let peak = warm;
  const watching = setInterval(() => (peak = Math.max(peak, server.rssBytes())), 20);
  const session = await ada.createSession();
  const from = performance.now();
  const run = await ada.post(session, `${count} ${size}`);
  const { events, parser } = await ada.read({ session_id: session }, {}, 60_000);
  clearInterval(watching);
  const ms = performance.now() - from;
  expect((await ada.run(run.id)).status).toBe('completed');
  expect([faultsOf(events), parser.problems]).toEqual([[], []]);
  expect(hashOf([textOf(events)])).toBe(hashOf(partsOf(count, size)));
  return { growth: (peak - warm) / MIB, events: events.length, ms };
}

describe('row 40: an answer of one delta of a megabyte, or of 100,000 deltas', () => {
  it('row 40: is whole, without holes, and costs less than 64 MiB', async () => {
    await runOf(5_000, 8);
    const big = await runOf(1, MIB);
    const many = await runOf(100_000, 8);
    for (const [name, { growth, events, ms }] of [
      ['one delta of 1 MiB', big],
      ['100,000 deltas', many],
    ] as const) {
      process.stdout.write(
        `long answers: ${name}: ${events} events, ${Math.round(growth)} MiB more, ${Math.round(ms)} ms\n`,
      );
      expect(growth).toBeLessThanOrEqual(64);
    }
  });
});

describe('a long answer that nobody remembers', () => {
  it('is told whole to who comes after a restart', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, '200 3000');
    await ada.settled(run.id);
    await server.crash();
    await server.restart();
    const { events } = await ada.read({ session_id: session }, {}, 20_000);

    expect(faultsOf(events)).toEqual([]);
    expect(hashOf([textOf(events)])).toBe(hashOf(partsOf(200, 3_000)));
  });
});
