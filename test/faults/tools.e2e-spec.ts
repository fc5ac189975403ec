import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, type RunBody } from '../support/api.js';
import {
  dataOf,
  faultsOf,
  textOf,
  toolFaultsOf,
  type EventData,
  type ViewedEvent,
} from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { measuresOf, METRICS_ENV } from '../support/faults/metrics.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';

const TIMEOUT = 500;
const KIB = 1024;
const MIB = 1024 * KIB;
const LAST = 'That was all.';

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  server = await ServerProcess.start({
    command: [
      process.execPath,
      '--max-semi-space-size=32',
      '--initial-old-space-size=128',
      'test/support/faults/tool-server.mjs',
    ],
    env: { ...upstreamEnv(upstream.url), ...METRICS_ENV, TOOL_TIMEOUT_MS: String(TIMEOUT) },
  });
  ada = await Api.as(server.url, 'ada');
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** The message names the tools that are called; "slow" is an answer that takes two seconds. */
function answer(call: UpstreamCall): Reply {
  const asked = String(blocksOf(call.body.messages[0]!)[0]?.['text']);
  if (asked === 'slow') return { sse: textReply(Array<string>(100).fill('word ')), paceMs: 20 };
  if (call.body.messages.length > 1) return { sse: textReply([LAST]) };
  const calls = asked
    .split(' ')
    .map((name, n) => ({ id: `toolu_${call.number}_${n}`, name, input: { text: asked } }));
  return { sse: toolReply([], calls) };
}

interface Told {
  run: RunBody;
  list: ViewedEvent[];
  results: EventData[];
  ms: number;
}

async function tell(content: string): Promise<Told> {
  const session = await ada.createSession();
  const from = performance.now();
  const started = await ada.post(session, content);
  const { events: list } = await ada.read({ session_id: session });
  const ms = performance.now() - from;
  expect(faultsOf(list)).toEqual([]);
  expect(toolFaultsOf(list)).toEqual([]);
  const results = list.filter(({ event }) => event === 'tool_result').map(dataOf);
  return { run: await ada.run(started.id), list, results, ms };
}

describe('row 41: a tool that hangs', () => {
  it('row 41: is given up after its time, and the run goes on', async () => {
    const { run, list, results } = await tell('hang');
    const { duration_ms } = results[0]!;
    process.stdout.write(`tools: one that hangs was given up after ${duration_ms} ms of ${TIMEOUT}\n`);
    expect(results[0]).toMatchObject({ is_error: true, result: expect.stringContaining(`${TIMEOUT} ms`) });
    expect(duration_ms).toBeGreaterThanOrEqual(TIMEOUT - 1);
    expect(duration_ms).toBeLessThanOrEqual(TIMEOUT + 5_000);
    expect([run.status, textOf(list)]).toEqual(['completed', LAST]);
  });
});

describe('row 42: a tool that throws, rejects with nothing, or never settles', () => {
  it('row 42: is an error of which the client hears in general words, and the run goes on', async () => {
    const { run, list, results } = await tell('throw reject_with_nothing hang');
    const byName = new Map(results.map((each) => [each.name, each]));
    expect(byName.get('throw')).toMatchObject({ is_error: true, result: 'The tool failed.' });
    expect(byName.get('reject_with_nothing')).toMatchObject({ is_error: true, result: 'The tool failed.' });
    expect(byName.get('hang')).toMatchObject({ is_error: true });
    expect([run.status, textOf(list)]).toEqual(['completed', LAST]);
    const shown = JSON.stringify([list, upstream.calls.at(-1)!.body]);
    process.stdout.write(`tools: ${shown.split('\\n    at ').length - 1} stack traces out of 3 failures\n`);
    for (const secret of ['secret of the tool', '    at ', '.mjs', 'undefined'])
      expect(shown).not.toContain(secret);
  });
});

describe('row 43: a tool that returns 100 MB, binary data, a million items or a cycle', () => {
  it('row 43: is cut at 100 KiB with a marker, and the process hardly notices', async () => {
    await tell('cyclic');
    const warm = server.rssBytes();
    let peak = warm;
    const watching = setInterval(() => (peak = Math.max(peak, server.rssBytes())), 10);
    await measuresOf(server.url);
    const told = await Promise.all(['huge_text', 'huge_binary', 'cyclic'].map(tell));
    const lag = (await measuresOf(server.url)).get('nodejs_eventloop_lag_max_seconds')! * 1_000;
    clearInterval(watching);
    const growth = (peak - warm) / MIB;
    const list = await tell('huge_list');
    process.stdout.write(
      `tools: 100 MB as text and as bytes: ${Math.round(growth)} MiB more, the loop held up for ${Math.round(lag)} ms at most\n`,
    );

    for (const { run, results } of [...told, list]) {
      expect([run.status, results.length, results[0]!.is_error]).toEqual(['completed', 1, false]);
      expect(JSON.stringify(results[0]!.result).length).toBeLessThanOrEqual(100 * KIB + 64);
    }
    const [text, binary, cyclic] = told.map(({ results }) => JSON.stringify(results[0]!.result));
    expect(text).toMatch(/x{1000}.*\d+.*x{1000}/s);
    expect(text!.length).toBeGreaterThan(99 * KIB);
    expect(binary).toBe('"[binary data: 104857600 bytes]"');
    expect(cyclic).toContain('circular');
    expect(JSON.stringify(list.results[0]!.result)).toMatch(/more items left out/);
    expect(growth).toBeLessThanOrEqual(32);
    expect(lag).toBeLessThan(1_000);
  });
});

describe('row 11: a promise that a tool forgot, and that is rejected', () => {
  it('row 11: does not end the process, and the other runs go on', async () => {
    const [{ run }, ...told] = await Promise.all([tell('forget'), tell('slow'), tell('slow')]);
    process.stdout.write(
      `tools: a forgotten rejection: its run ${run.status}, the process up, 0 other runs affected\n`,
    );
    expect(['completed', 'failed']).toContain(run.status);
    expect(told).toHaveLength(2);
    for (const other of told) {
      const { status, attempt } = other.run;
      expect([status, attempt, textOf(other.list)]).toEqual(['completed', 1, 'word '.repeat(100)]);
    }
    expect(await server.isReady()).toBe(true);
  });
});
