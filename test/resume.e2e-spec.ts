import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { textReply, thinkingBlock, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf, faultsOf, placeOf, textOf, toolFaultsOf, type ViewedEvent } from './support/event-list.js';
import { FakeUpstream, type UpstreamCall } from './support/fake-upstream.js';
import { Random } from './support/random.js';
import type { SseStream } from './support/sse-client.js';
import { upstreamEnv } from './support/test-env.js';
import { within } from './support/until.js';

const WORDS = Array.from({ length: 60 }, (_, n) => `wörd-${n} `);
const ANSWER = WORDS.join('');

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let eve: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp(upstreamEnv(upstream.url));
  ada = await Api.as(app.url, 'ada');
  eve = await Api.as(app.url, 'eve');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** One turn with two tool calls, then a long answer with thinking; "quick" gets a short one, "slow" a paced one. */
function answer(call: UpstreamCall) {
  const asked = JSON.stringify(call.body.messages.at(-1));
  if (asked.includes('quick')) return { sse: textReply(['short']) };
  if (asked.includes('tool_result')) return { sse: withThinking(textReply(WORDS)), paceMs: 3 };
  const calls = ['a', 'b'].map((n) => ({ id: `toolu_${call.number}${n}`, name: 'get_time', input: {} }));
  return { sse: toolReply(['Let me look. '], calls), paceMs: 3 };
}

function withThinking(reply: string[]): string[] {
  const [start, ...rest] = reply;
  const shifted = rest.map((event) => event.replaceAll('"index":0', '"index":1'));
  return [start!, ...thinkingBlock(0, 'hm', `sig-${upstream.calls.length}`), ...shifted];
}

/** The list of a finished run of the session, read anew. */
async function wholeList(session: string): Promise<ViewedEvent[]> {
  return (await ada.read({ session_id: session })).events;
}

async function finishedRun(
  content = 'quick',
): Promise<{ session: string; run: RunBody; list: ViewedEvent[] }> {
  const session = await ada.createSession();
  const run = await ada.post(session, content);
  await ada.settled(run.id);
  return { session, run, list: await wholeList(session) };
}

describe('one run, many viewers', () => {
  it('is the same list of events over SSE, over a socket, and over 60 cuts at random places', async () => {
    const random = Random.printed('resume');
    const session = await ada.createSession();
    const socket = await ada.socket();
    await socket.ask('subscribe', { session_id: session });
    const run = await ada.post(session, 'please');
    const sse = await ada.open({ session_id: session });
    const pieces = await readInPieces(session, random);
    await within(20_000, 'the uncut stream to end', sse.ended);
    await socket.nextWhere((frame) => frame.event === 'done');
    await socket.close();

    expect(faultsOf(sse.events)).toEqual([]);
    expect(toolFaultsOf(sse.events)).toEqual([]);
    expect(textOf(sse.events)).toBe(`Let me look. ${ANSWER}`);
    expect(placeOf(sse.events[0]!.id).runId).toBe(run.id);
    expect(sse.parser.problems).toEqual([]);
    expect(socket.events).toEqual(sse.events);
    expect(socket.problems).toEqual([]);
    expect(pieces).toEqual(sse.events);
    expect(await wholeList(session)).toEqual(sse.events);
    expect(upstream.complaints).toEqual([]);
  });

  it('begins with the run, shows thinking and tools with their arguments, and ends with usage', async () => {
    const { list, run, session } = await finishedRun('please');
    expect(dataOf(list[0])).toMatchObject({ run_id: run.id, session_id: session, attempt: 1 });
    const kinds = list.map((event) => event.event);
    expect(kinds).toEqual(
      expect.arrayContaining(['run', 'token', 'thinking', 'tool_call', 'tool_result', 'done']),
    );
    expect(dataOf(list.find((event) => event.event === 'tool_call'))).toMatchObject({
      name: 'get_time',
      args: {},
    });
    expect(dataOf(list.at(-1))).toMatchObject({
      status: 'completed',
      stop_reason: 'end_turn',
      usage: { input_tokens: 20, output_tokens: 10, model_calls: 2, estimated: false },
    });
  });

  it('sends the headers that keep proxies from buffering', async () => {
    const { session } = await finishedRun();
    const { status, headers } = await ada.read({ session_id: session });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    expect(headers).not.toHaveProperty('x-powered-by');
  });

  it('answers a POST with the stream of the run and of the session that it starts', async () => {
    const stream = await ada.read({}, { body: { content: 'quick' } });
    expect(stream.status).toBe(200);
    expect(faultsOf(stream.events)).toEqual([]);
    expect(textOf(stream.events)).toBe('short');
    const { session_id } = dataOf(stream.events[0]);
    expect(await wholeList(session_id)).toEqual(stream.events);
  });

  it('starts a run from a socket and shows it there', async () => {
    const socket = await ada.socket();
    const ack = await socket.ask('start', { content: 'quick' });
    expect(ack.event).toBe('ack');
    const done = await socket.nextWhere((frame) => frame.event === 'done');
    expect(done.data).toMatchObject({ status: 'completed' });
    expect(faultsOf(socket.events)).toEqual([]);
    expect(textOf(socket.events)).toBe('short');
    await socket.close();
  });
});

/** Reads the session's run with a connection that breaks 60 times, by bytes or after whole blocks. */
async function readInPieces(session: string, random: Random): Promise<ViewedEvent[]> {
  const list: ViewedEvent[] = [];
  for (let cuts = 0; ; cuts += 1) {
    const bytes = random.between(0, 1) === 0;
    const limit = bytes
      ? { cutAfterBytes: random.between(1, 600) }
      : { cutAfterBlocks: random.between(1, 3) };
    const stream = await ada.read(
      { session_id: session },
      { lastEventId: list.at(-1)?.id, ...(cuts < 60 ? limit : {}) },
    );
    expect(stream.parser.problems).toEqual([]);
    if (stream.status === 204) return list;
    list.push(...stream.events);
    if (cuts >= 60 && list.at(-1)?.event !== 'done')
      throw new Error('the last, uncut stream ended without done');
  }
}

describe('a cursor that cannot be honoured', () => {
  let session: string;
  let list: ViewedEvent[];
  let runId: string;
  let elsewhere: { run: RunBody };
  let foreign: RunBody;

  beforeAll(async () => {
    const own = await finishedRun();
    ({ session, list } = own);
    runId = own.run.id;
    elsewhere = await finishedRun();
    foreign = await eve.post(await eve.createSession(), 'quick');
    await eve.settled(foreign.id);
  });

  const cases: [string, () => string][] = [
    ['is no cursor at all', () => 'nonsense'],
    ['has the parts of another server', () => '42'],
    ['is in the future', () => `${runId}.1.99999`],
    ['is one after the end', () => `${runId}.1.${list.length + 1}`],
    ['names an attempt that never was', () => `${runId}.7.2`],
    ['names attempt 0', () => `${runId}.0.2`],
    ['is of another session', () => `${elsewhere.run.id}.1.1`],
    ['is of another user', () => `${foreign.id}.1.1`],
    ['is of a run that never was', () => 'run_01h455vb4pex5vsknk084sn02q.1.1'],
    ['has seq 0', () => `${runId}.1.0`],
    ['has seq -1', () => `${runId}.1.-1`],
    ['has seq 1e9', () => `${runId}.1.1e9`],
    ['has seq 0x10', () => `${runId}.1.0x1`],
    ['has seq 5.0', () => `${runId}.1.2.0`],
    ['has a leading zero', () => `${runId}.1.02`],
    ['has seq NaN', () => `${runId}.1.NaN`],
    ['has a seq beyond whole numbers', () => `${runId}.1.9007199254740993`],
    ['has a blank within', () => `${runId}.1. 2`],
    ['has no seq', () => `${runId}.1.`],
    ['has the run id in upper case', () => `${runId.toUpperCase()}.1.2`],
    ['is very long', () => `${runId}.1.${'9'.repeat(4_000)}`],
  ];

  it.each(cases)('and %s gets a reset without an id and the whole run again', async (_name, cursor) => {
    for (const stream of [
      await ada.read({ session_id: session }, { lastEventId: cursor() }),
      await ada.read({ session_id: session, last_event_id: cursor() }),
    ]) {
      expectWholeAgain(stream);
    }
  });

  it('and is not ASCII gets the same, by header as raw bytes and by query', async () => {
    const bytes = Buffer.from(`${runId}.1.é２`).toString('latin1');
    expectWholeAgain(await ada.read({ session_id: session }, { lastEventId: bytes }));
    expectWholeAgain(await ada.read({ session_id: session, last_event_id: `${runId}.1.é２` }));
  });

  it('because it is of another run than run_id gets the whole run of run_id', async () => {
    const second = await ada.post(session, 'quick');
    await ada.settled(second.id);
    const stream = await ada.read({ session_id: session, run_id: runId, last_event_id: `${second.id}.1.1` });
    expectWholeAgain(stream);
  });

  it('over a socket gets the same', async () => {
    const socket = await ada.socket();
    await socket.ask('subscribe', { run_id: runId, last_event_id: `${runId}.1.99999` });
    await socket.nextWhere((frame) => frame.event === 'done');
    const reset = socket.frames.findIndex((frame) => frame.event === 'reset');
    expect(socket.frames[reset]).toMatchObject({ data: { after: null } });
    expect(socket.frames[reset]).not.toHaveProperty('id');
    expect(socket.events).toEqual(list);
    await socket.close();
  });

  function expectWholeAgain(stream: SseStream): void {
    expect(stream.status).toBe(200);
    const [first, ...rest] = stream.blocks;
    expect([first?.event, first?.id, dataOf(first).after]).toEqual(['reset', undefined, null]);
    expect(rest.map(({ event, id, data }) => ({ event, id, data }))).toEqual(list);
    expect(stream.parser.problems).toEqual([]);
  }
});

describe('a cursor', () => {
  it('continues exactly after its event, wherever that is', async () => {
    const { session, list } = await finishedRun('please');
    for (const [index, { id }] of list.slice(0, -1).entries()) {
      const stream = await ada.read({ session_id: session }, { lastEventId: id });
      expect(stream.events).toEqual(list.slice(index + 1));
    }
  });

  it('that is a done gets 204, so that an EventSource stops', async () => {
    const { session, list } = await finishedRun();
    const stream = await ada.read({ session_id: session }, { lastEventId: list.at(-1)!.id });
    expect([stream.status, stream.body]).toEqual([204, '']);
  });

  it('in the header wins over one in the query', async () => {
    const { session, list } = await finishedRun();
    const query = { session_id: session, last_event_id: list.at(-1)!.id };
    const stream = await ada.read(query, { lastEventId: list[0]!.id });
    expect(stream.events).toEqual(list.slice(1));
  });

  it('that is empty counts as none', async () => {
    const { session, list } = await finishedRun();
    expect((await ada.read({ session_id: session }, { lastEventId: '' })).events).toEqual(list);
    expect((await ada.read({ session_id: session }, { lastEventId: '  ' })).events).toEqual(list);
  });

  it('stays with its run when a newer one has begun', async () => {
    const { session, list } = await finishedRun();
    const newer = await ada.post(session, 'quick');
    await ada.settled(newer.id);
    const stream = await ada.read({ session_id: session }, { lastEventId: list[0]!.id });
    expect(stream.events).toEqual(list.slice(1));
    expect((await wholeList(session)).every((event) => placeOf(event.id).runId === newer.id)).toBe(true);
  });
});

describe('following', () => {
  it('stays open over two runs, each whole and in order', async () => {
    const session = await ada.createSession();
    const stream = await ada.open({ session_id: session, follow: 'true' });
    const first = await ada.post(session, 'please');
    const second = await ada.post(session, 'quick');
    await stream.nextWhere(
      (block) => block.event === 'done' && placeOf(block.id!).runId === second.id,
      20_000,
    );
    const of = (run: RunBody) => stream.events.filter((event) => placeOf(event.id).runId === run.id);
    expect(stream.events).toEqual([...of(first), ...of(second)]);
    expect(faultsOf(of(first))).toEqual([]);
    expect(faultsOf(of(second))).toEqual([]);
    stream.cut();
  });

  it('after a done waits for the next run instead of answering 204', async () => {
    const { session, list } = await finishedRun();
    const stream = await ada.open({ session_id: session, follow: 'true' }, { lastEventId: list.at(-1)!.id });
    expect(stream.status).toBe(200);
    const next = await ada.post(session, 'quick');
    await stream.nextWhere((block) => block.event === 'done');
    expect(stream.events.every((event) => placeOf(event.id).runId === next.id)).toBe(true);
    expect(faultsOf(stream.events)).toEqual([]);
    stream.cut();
  });

  it('a session without runs waits for its first', async () => {
    const session = await ada.createSession();
    const stream = await ada.open({ session_id: session });
    expect(stream.status).toBe(200);
    await delay(50);
    expect(stream.blocks).toEqual([]);
    await ada.post(session, 'quick');
    await within(10_000, 'the end of the first run', stream.ended);
    expect(faultsOf(stream.events)).toEqual([]);
    expect(stream.parser.problems).toEqual([]);
  });
});
