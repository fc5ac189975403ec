import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, expectStatus, type Receipt } from '../support/api.js';
import { dataOf, faultsOf, textOf, toolFaultsOf } from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { Random } from '../support/random.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';

const CANCELS = 100;
const LANES = 4;
const WORDS = Array.from({ length: 10 }, (_, n) => `w${n} `);

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

function asked(call: UpstreamCall): string {
  const texts = call.body.messages
    .filter(({ role }) => role === 'user')
    .flatMap(blocksOf)
    .map((block) => block['text']);
  return String(texts.findLast((text) => typeof text === 'string'));
}

/** A pause, words, eight tool calls, words, eight calls, …; "quick" gets a short answer. */
function answer(call: UpstreamCall): Reply {
  if (asked(call) === 'quick') return { sse: textReply(['short']) };
  const calls = Array.from({ length: 8 }, (_, n) => ({
    id: `toolu_${call.number}_${n}`,
    name: 'get_time',
    input: {},
  }));
  return { sse: toolReply(WORDS, calls), delayMs: 20, paceMs: 5 };
}

interface Cancelled {
  latency: number;
  sawText: boolean;
  midTool: boolean;
  queued: boolean;
}

describe(`${CANCELS} cancels at random moments`, () => {
  it('each close the model first, then give a receipt, and leave the session in order', async () => {
    const random = Random.printed('cancel');
    let left = CANCELS;
    const all: Cancelled[] = [];
    const lanes = Array.from({ length: LANES }, async () => {
      const session = await ada.createSession();
      for (; left > 0;) {
        left -= 1;
        all.push(
          await cancelOne(
            session,
            `story ${left}`,
            random.between(0, left % 2 === 0 ? 350 : 40),
            left % 10 === 0,
          ),
        );
      }
    });
    await Promise.all(lanes);
    expect(upstream.complaints).toEqual([]);
    const latencies = all.map(({ latency }) => latency).toSorted((a, b) => a - b);
    const at = (share: number) => Math.round(latencies[Math.floor(share * (latencies.length - 1))]!);
    const count = (kind: 'sawText' | 'midTool' | 'queued') => all.filter((each) => each[kind]).length;
    process.stdout.write(
      `cancel: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms; ${CANCELS - count('sawText')} before the first token, ` +
        `${count('midTool')} with open tool calls, ${count('queued')} queued\n`,
    );
    expect(at(0.95)).toBeLessThanOrEqual(250);
  });
});

async function cancelOne(
  session: string,
  content: string,
  afterMs: number,
  queued: boolean,
): Promise<Cancelled> {
  const ahead = queued ? await ada.post(session, `${content} ahead`) : undefined;
  const run = await ada.post(session, content);
  const viewer = await ada.open({ session_id: session, run_id: run.id });
  await delay(afterMs);
  const from = performance.now();
  const { body: receipt } = expectStatus(await ada.cancel(run.id), 200);
  const latency = performance.now() - from;
  await closesAreSeen();

  expect(receipt).toMatchObject({ run_id: run.id, status: 'cancelled' });
  for (const call of upstream.calls.filter((each) => asked(each) === content)) {
    expect(call.closedAt).toBeDefined();
  }
  await within(10_000, 'the viewer to see the end', viewer.ended);
  expectNothingButDone(viewer.events, receipt);
  expect(expectStatus(await ada.cancel(run.id), 200).body).toEqual(receipt);
  expect((await ada.run(run.id)).status).toBe('cancelled');
  if (ahead) await ada.cancel(ahead.id);
  expect((await ada.settled((await ada.post(session, 'quick')).id)).status).toBe('completed');
  return {
    latency,
    sawText: textOf(viewer.events) !== '',
    midTool: receipt.tool_calls.some(({ state }) => state !== 'finished' && state !== 'completed'),
    queued,
  };
}

/** Node tells of closed sockets last in a turn of its loop: lets it finish the turn in which the receipt came. */
async function closesAreSeen(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

function expectNothingButDone(events: Parameters<typeof faultsOf>[0], receipt: Receipt): void {
  expect(faultsOf(events)).toEqual([]);
  expect(toolFaultsOf(events)).toEqual([]);
  expect(dataOf(events.at(-1))).toMatchObject({ status: 'cancelled', usage: receipt.usage });
  const last = events.findIndex((event) => event.id === receipt.last_event_id);
  const following = events.slice(last + 1).map((event) => event.event);
  expect(receipt.last_event_id === null || last >= 0).toBe(true);
  expect([[], ['done']]).toContainEqual(following);
  const called = events.filter((event) => event.event === 'tool_call').map((event) => dataOf(event).id);
  expect(receipt.tool_calls.map(({ id }) => id)).toEqual(expect.arrayContaining(called));
}
