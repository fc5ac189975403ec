import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { messageEnd, messageStart, wireEvent } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api } from '../support/api.js';
import { faultsOf, textOf, type ViewedEvent } from '../support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import type { SseStream } from '../support/sse-client.js';
import { upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';

const DELTAS = 40_000;
const WARM_UP = 2_000;
const STALLED = 20;
const KILOBYTE = 'x'.repeat(1_012);
const MEGABYTE = 1024 * 1024;

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  // Who takes nothing for three heartbeats is cut: here they stall for as long as the story lasts.
  server = await ServerProcess.start({ env: { ...upstreamEnv(upstream.url), HEARTBEAT_MS: '60000' } });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** As many deltas of a kilobyte as the message says, as fast as they are taken. */
function answer(call: UpstreamCall) {
  const count = Number(blocksOf(call.body.messages.at(-1)!)[0]?.['text']);
  return { sse: deltas(count) };
}

function* deltas(count: number): Iterable<string> {
  yield messageStart();
  yield wireEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  for (let n = 0; n < count; n += 1) {
    yield wireEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text: part(n) } });
  }
  yield wireEvent('content_block_stop', { index: 0 });
  yield* messageEnd('end_turn');
}

function part(n: number): string {
  return `${String(n).padStart(11, '0')} ${KILOBYTE}`;
}

function hashOf(events: ViewedEvent[]): string {
  const hash = createHash('sha256');
  for (const { event, id, data } of events) hash.update(`${event}\n${id}\n${data}\n`);
  return hash.digest('hex');
}

function hashOfText(events: ViewedEvent[]): string {
  return createHash('sha256').update(textOf(events)).digest('hex');
}

interface Measured {
  ms: number;
  /** Most resident memory of the server during the run, in MB. */
  peak: number;
  viewer: SseStream;
}

/** One run of so many deltas, read by one viewer: how long it took, what it cost, and what the viewer has. */
async function runOf(count: number, session: string): Promise<Measured> {
  let peak = 0;
  const watching = setInterval(() => (peak = Math.max(peak, server.rssBytes() / MEGABYTE)), 50);
  try {
    const viewer = await ada.open({ session_id: session });
    const from = performance.now();
    await ada.post(session, String(count));
    await within(30_000, 'the viewer who reads to have it all', viewer.ended);
    return { ms: performance.now() - from, peak, viewer };
  } finally {
    clearInterval(watching);
  }
}

/** Viewers that get their headers and then read nothing. */
function stall(session: string): Promise<SseStream[]> {
  return Promise.all(
    Array.from({ length: STALLED }, () => ada.open({ session_id: session }, { stopped: true })),
  );
}

describe(`a run of 40 MB with ${STALLED} viewers that do not read`, () => {
  it('costs less than 70 MB, hardly more than without them, does not slow the one who reads, and is whole for who reads later', async () => {
    await runOf(WARM_UP, await ada.createSession());
    const warm = server.rssBytes() / MEGABYTE;
    const plain = await runOf(DELTAS, await ada.createSession());
    const session = await ada.createSession();
    const stalled = await stall(session);
    const { ms, peak, viewer } = await runOf(DELTAS, session);
    const figures = {
      growth_by_stalled_mb: peak - plain.peak,
      growth_since_warm_up_mb: peak - warm,
      plain_mb: plain.peak - warm,
      ms,
      plain_ms: plain.ms,
    };
    process.stdout.write(
      `stalled: ${JSON.stringify(figures, (_, value) => (typeof value === 'number' ? Math.round(value) : value))}\n`,
    );

    expect(faultsOf(viewer.events)).toEqual([]);
    const expected = createHash('sha256');
    for (let n = 0; n < DELTAS; n += 1) expected.update(part(n));
    expect(hashOfText(viewer.events)).toBe(expected.digest('hex'));
    expect(figures.growth_since_warm_up_mb).toBeLessThan(70);
    expect(figures.growth_by_stalled_mb).toBeLessThan(40);
    // One run against one other on a machine that does other things, too: half as long again, and half a second.
    expect(ms).toBeLessThanOrEqual(plain.ms * 1.5 + 500);

    const late = stalled.pop()!;
    for (const other of stalled) other.cut();
    late.read();
    await within(60_000, 'the stalled viewer to read it all', late.ended);
    expect(late.parser.problems).toEqual([]);
    expect(hashOf(late.events)).toBe(hashOf(viewer.events));
  });
});
