import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  messageStart,
  textReply,
  toolReply,
  wireEvent,
  messageEnd,
} from '../support/anthropic/anthropic-sse.js';
import { blocksOf } from '../support/anthropic/strict-anthropic.js';
import { Api, type RunBody } from '../support/api.js';
import { dataOf, faultsOf, textOf, toolFaultsOf, type ViewedEvent } from '../support/event-list.js';
import { errorBody, FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';

const IDLE = 1_000;
const DEADLINE = 8_000;
/** What a machine that does other things too may add. */
const SLACK = 5_000;
const WORDS = Array.from({ length: 12 }, (_, n) => `wörd-${n} 🌍 `);
const ANSWER = WORDS.join('');
const WHOLE: Reply = { sse: textReply(WORDS) };

interface Told {
  run: RunBody;
  list: ViewedEvent[];
  calls: UpstreamCall[];
  ms: number;
}

let upstream: FakeUpstream;
let server: ServerProcess;
let ada: Api;
let dripping: Promise<Told>;

/** What the upstream answers to the calls of a story, in order; the last again and again. */
const scripts = new Map<string, Reply[]>();

const refused = (status: number, type: string, headers: Record<string, string> = {}): Reply => ({
  status,
  headers,
  json: errorBody(type, 'scripted'),
});

beforeAll(async () => {
  upstream = await FakeUpstream.start((call) => {
    const replies = scripts.get(storyOf(call))!;
    return replies[Math.min(callsOf(storyOf(call)).length, replies.length) - 1]!;
  });
  const env = { ...upstreamEnv(upstream.url), MODEL_IDLE_MS: String(IDLE), RUN_TIMEOUT_MS: String(DEADLINE) };
  server = await ServerProcess.start({ env });
  ada = await Api.as(server.url, 'ada');
  // Its story lasts as long as all others.
  dripping = tell('drip', [{ ...WHOLE, chunkBytes: 1, paceMs: 100 }]);
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

function storyOf(call: UpstreamCall): string {
  return String(blocksOf(call.body.messages[0]!)[0]?.['text']);
}

function callsOf(story: string): UpstreamCall[] {
  return upstream.calls.filter((call) => storyOf(call) === story);
}

/** A run to its end, as a viewer sees it and as the upstream does. */
async function tell(story: string, replies: Reply[], user = ada): Promise<Told> {
  scripts.set(story, replies);
  const session = await user.createSession();
  const from = performance.now();
  const started = await user.post(session, story);
  const { events: list } = await user.read({ session_id: session }, {}, 30_000);
  const ms = performance.now() - from;
  expect(faultsOf(list)).toEqual([]);
  expect(toolFaultsOf(list)).toEqual([]);
  return { run: await user.run(started.id), list, calls: callsOf(story), ms };
}

/** The kinds of events, each once where several stand together. */
function kindsOf(list: ViewedEvent[]): string[] {
  return list.map(({ event }) => event).filter((kind, n, all) => kind !== all[n - 1]);
}

function expectAnswered({ run, list }: Told, text = ANSWER): void {
  expect([run.status, textOf(list)]).toEqual(['completed', text]);
  expect(JSON.stringify(list)).not.toContain('\ufffd');
}

function print(line: string): void {
  process.stdout.write(`upstream: ${line}\n`);
}

describe('row 33: the service says 429', () => {
  it('row 33: with retry-after it is asked again after that time and not before, and viewers see nothing of it', async () => {
    const told = await tell('429 with a time', [
      refused(429, 'rate_limit_error', { 'retry-after': '1' }),
      WHOLE,
    ]);
    const waited = told.calls[1]!.openedAt - told.calls[0]!.closedAt!;
    print(`429 with retry-after 1: asked again after ${Math.round(waited)} ms`);
    expectAnswered(told);
    expect(kindsOf(told.list)).toEqual(['run', 'token', 'done']);
    expect(waited).toBeGreaterThanOrEqual(999);
    expect(told.calls).toHaveLength(2);
  });

  it('row 33: without a time the run fails at once and says why', async () => {
    const { run, list, calls, ms } = await tell('429 without a time', [
      refused(429, 'rate_limit_error'),
      WHOLE,
    ]);
    expect(calls).toHaveLength(1);
    expect(run.status).toBe('failed');
    expect(kindsOf(list)).toEqual(['run', 'error', 'done']);
    expect(dataOf(list.at(-2))).toMatchObject({ code: 'rate_limit_error' });
    expect(ms).toBeLessThan(SLACK);
  });

  it('row 33: because of a spend limit the run fails at once, and the next one finds out whether it still holds', async () => {
    const error = {
      type: 'rate_limit_error',
      message: 'scripted',
      details: { error_code: 'enforced_spend_limit_reached' },
    };
    const first = await tell('spend limit', [{ status: 429, json: { type: 'error', error } }, WHOLE]);
    const next = await tell('after the spend limit', [WHOLE]);
    expect([first.calls.length, next.calls.length]).toEqual([1, 1]);
    expect([first.run.status, next.run.status]).toEqual(['failed', 'completed']);
    expect(kindsOf(first.list)).toEqual(['run', 'error', 'done']);
    expect(dataOf(first.list.at(-2))).toMatchObject({ code: 'rate_limit_error', retryable: false });
    expect(first.ms).toBeLessThan(SLACK);
  });
});

describe('row 34: the service fails', () => {
  it('row 34: with 529 and 500 it is asked four times at most, the run stays running meanwhile', async () => {
    const broken = [refused(529, 'overloaded_error'), refused(500, 'api_error')];
    const [saved, lost] = await Promise.all([
      tell('529 three times', [...broken, broken[0]!, WHOLE]),
      tell('529 for good', [...broken, ...broken, WHOLE]),
    ]);
    print(
      `529 and 500: 4 calls, answered after ${Math.round(saved.ms)} ms, given up after ${Math.round(lost.ms)} ms`,
    );
    expectAnswered(saved);
    expect(kindsOf(saved.list)).toEqual(['run', 'token', 'done']);
    expect([saved.calls.length, lost.calls.length]).toEqual([4, 4]);
    expect([lost.run.status, kindsOf(lost.list)]).toEqual(['failed', ['run', 'error', 'done']]);
    expect(dataOf(lost.list.at(-2))).toMatchObject({ code: 'api_error', retryable: true });
    for (const { ms } of [saved, lost]) expect(ms).toBeLessThan(60_000);
  });
});

describe('row 35: an error event after the 200', () => {
  it('row 35: after each piece of the answer: what was shown is taken back, nothing is glued', async () => {
    const places = Array.from({ length: WORDS.length + 3 }, (_, pieces) => pieces);
    const all = await Promise.all(
      places.map((pieces) =>
        tell(`error after ${pieces}`, [
          { ...WHOLE, errorAfter: { pieces, type: 'overloaded_error' } },
          WHOLE,
        ]),
      ),
    );
    const resets = all.map(({ list }) => list.filter(({ event }) => event === 'reset').length);
    print(
      `error events after ${places.length} places: 0 glued answers, ${resets.filter(Boolean).length} resets`,
    );
    for (const told of all) {
      expectAnswered(told);
      expect(told.calls).toHaveLength(2);
    }
    // Two pieces of the answer hold no text: before them nothing has to be taken back.
    expect(resets).toEqual(places.map((pieces) => (pieces > 2 ? 1 : 0)));
  });
});

describe('row 36: the connection is open and silent', () => {
  it('row 36: it is closed after MODEL_IDLE_MS and the service asked again', async () => {
    const told = await tell('stall', [{ ...WHOLE, stallAfterPieces: 5 }, WHOLE]);
    const open = told.calls[0]!.closedAt! - told.calls[0]!.openedAt;
    print(`stall: closed after ${Math.round(open)} ms of ${IDLE}`);
    expectAnswered(told);
    expect(kindsOf(told.list)).toEqual(['run', 'token', 'reset', 'token', 'done']);
    expect(open).toBeGreaterThanOrEqual(IDLE - 50);
    expect(open).toBeLessThan(IDLE + SLACK);
  });
});

describe('row 38: the connection is cut', () => {
  it('row 38: at any place of an answer it is no answer, and no tool is called with a part of its arguments', async () => {
    const input = { expression: '6 * 7 + 100000000000000000000 - 100000000000000000000' };
    const reply = () => toolReply(['Let me ', 'see. '], [{ id: 'toolu_cut', name: 'calculate', input }]);
    const { length } = reply().join('');
    const places = Array.from({ length: 40 }, (_, n) => Math.floor(((n + 0.5) * length) / 40));
    const all = await Promise.all(
      places.map((bytes) =>
        tell(`cut after ${bytes}`, [{ sse: reply(), cutAfterBytes: bytes }, { sse: reply() }, WHOLE]),
      ),
    );
    print(`cuts at ${places.length} places of a tool call: 0 calls with a part of their arguments`);
    for (const told of all) {
      expectAnswered(told, `Let me see. ${ANSWER}`);
      const asked = told.list.filter(({ event }) => event === 'tool_call').map((each) => dataOf(each).args);
      expect([asked, told.calls.length]).toEqual([[input], 3]);
    }
  });
});

/** An answer with things in it that nobody has heard of yet. */
const odd = () => [
  wireEvent('from_the_future', { what: [1] }),
  messageStart(),
  wireEvent('ping'),
  wireEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' }, more: true }),
  ...WORDS.map((text) => wireEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
  wireEvent('content_block_delta', { index: 0, delta: { type: 'delta_from_the_future', value: 1 } }),
  wireEvent('content_block_stop', { index: 0 }),
  ...messageEnd('end_turn'),
];

describe('row 39: bytes as no service should send them', () => {
  it('row 39: unknown events, CRLF and characters in pieces of one byte are read', async () => {
    const crlf = odd().map((event) => event.replaceAll('\n', '\r\n'));
    expectAnswered(await tell('odd bytes', [{ sse: crlf, chunkBytes: 1 }]));
  });

  it.each([
    [
      'JSON that is none',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n',
    ],
    [
      'a delta of no block',
      wireEvent('content_block_delta', { index: 7, delta: { type: 'text_delta', text: 'x' } }),
    ],
  ])('row 39: %s is a failed attempt', async (name, broken) => {
    const [start, ...rest] = textReply(WORDS);
    const told = await tell(name, [{ sse: [start!, ...rest.slice(0, 4), broken, ...rest.slice(4)] }, WHOLE]);
    expectAnswered(told);
    expect(kindsOf(told.list)).toEqual(['run', 'token', 'reset', 'token', 'done']);
    expect(await server.isReady()).toBe(true);
  });
});

describe('row 45: a model that never stops calling tools', () => {
  it('row 45: is stopped after 50 turns with an error and done', async () => {
    const turns = Array.from({ length: 60 }, (_, n) => ({
      sse: toolReply([`${n} `], [{ id: `toolu_${n}`, name: 'calculate', input: { expression: `${n} + 1` } }]),
    }));
    const { run, list, calls, ms } = await tell('endless', turns);
    print(`endless tool loop: stopped after ${calls.length} turns, ${Math.round(ms)} ms`);
    expect(calls).toHaveLength(50);
    expect(run.status).toBe('failed');
    expect(list.slice(-2).map(({ event }) => event)).toEqual(['error', 'done']);
    expect(dataOf(list.at(-2))).toMatchObject({ code: 'max_turns' });
  });
});

describe('row 37: an answer that drips', () => {
  it('row 37: is ended by RUN_TIMEOUT_MS, however alive its connection is', async () => {
    const { run, list, calls, ms } = await within(DEADLINE + 20_000, 'the dripping run to end', dripping);
    print(`drip: ended after ${Math.round(ms)} ms of ${DEADLINE}`);
    expect(ms).toBeGreaterThanOrEqual(DEADLINE - 100);
    expect(ms).toBeLessThan(DEADLINE + SLACK);
    expect(run.status).toBe('failed');
    expect(list.slice(-2).map(({ event }) => event)).toEqual(['error', 'done']);
    await Promise.all(calls.map(({ closed }) => closed));
    expect([calls.length, calls[0]!.finished]).toEqual([1, false]);
    expect(upstream.complaints).toEqual([]);
  });
});
