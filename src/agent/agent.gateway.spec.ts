import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { textReply } from '../../test/support/anthropic/anthropic-sse.js';
import { Api, type RunBody, send, signIn } from '../../test/support/api.js';
import { type RunningApp, startApp } from '../../test/support/app.js';
import { faultsOf, placeOf, textOf } from '../../test/support/event-list.js';
import { FakeUpstream, type UpstreamCall } from '../../test/support/fake-upstream.js';
import { upstreamEnv } from '../../test/support/test-env.js';
import { until, within } from '../../test/support/until.js';
import { rawHttp, rawRequest } from '../../test/support/wire/raw-http.js';
import { type AgentSocket, openSocket, type UpgradeRefused } from '../../test/support/ws-client.js';

const WORDS = Array.from({ length: 30 }, (_, n) => `word-${n} `);
const HEARTBEAT_MS = 100;

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
const sockets: AgentSocket[] = [];

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  const env = { HEARTBEAT_MS: String(HEARTBEAT_MS), SHUTDOWN_GRACE_MS: '0', METRICS_TOKEN: 'metrics' };
  app = await startApp({ ...upstreamEnv(upstream.url), ...env });
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  for (const { socket } of sockets) socket.terminate();
  await app?.stop();
  await upstream?.stop();
});

/** Thirty words; "slow" gets them a few milliseconds apart, "wait" gets one and then nothing. */
function answer(call: UpstreamCall) {
  const asked = JSON.stringify(call.body.messages.at(-1));
  if (asked.includes('wait')) return { sse: textReply(WORDS), stallAfterPieces: 3 };
  return { sse: textReply(WORDS), paceMs: asked.includes('slow') ? 3 : 0 };
}

async function newSocket(): Promise<AgentSocket> {
  const socket = await ada.socket();
  sockets.push(socket);
  return socket;
}

const eventsOf = (socket: AgentSocket, runId: string) =>
  socket.events.filter(({ id }) => placeOf(id).runId === runId);

async function doneOf(socket: AgentSocket, runId: string): Promise<void> {
  await socket.nextWhere(({ event, id }) => event === 'done' && placeOf(id!).runId === runId);
}

/** What somebody sees who only reads the run, later. */
async function listOf(run: RunBody) {
  await ada.settled(run.id);
  return (await ada.read({ session_id: run.session_id, run_id: run.id })).events;
}

const runOf = (data: Record<string, unknown>) => data['run'] as RunBody;

describe('a start on a socket', () => {
  it('answers with the run, then shows all of it', async () => {
    const socket = await newSocket();
    const { event, data } = await socket.ask('start', { content: 'slow' });
    const run = runOf(data);
    await doneOf(socket, run.id);

    expect(event).toBe('ack');
    expect(socket.frames[0]).toMatchObject({ event: 'ack' });
    expect(socket.events).toEqual(await listOf(run));
    expect(textOf(socket.events)).toBe(WORDS.join(''));
  });

  it('of several runs of a session shows each once, also those that wait', async () => {
    const socket = await newSocket();
    const first = runOf((await socket.ask('start', { content: 'slow' })).data);
    const others = [];
    for (const content of ['slow', 'fast']) {
      others.push(runOf((await socket.ask('start', { session_id: first.session_id, content })).data));
    }
    for (const run of [first, ...others]) {
      await doneOf(socket, run.id);
      expect(eventsOf(socket, run.id)).toEqual(await listOf(run));
    }
  });

  it('in a session whose first run the socket waits for shows the run once', async () => {
    const session = await ada.createSession();
    const socket = await newSocket();
    const subscribed = await socket.ask('subscribe', { session_id: session });
    expect(subscribed.data).toEqual({ session_id: session, run_id: null, status: 'subscribed' });
    const first = runOf((await socket.ask('start', { session_id: session, content: 'slow' })).data);
    const second = runOf((await socket.ask('start', { session_id: session, content: 'fast' })).data);
    for (const run of [first, second]) {
      await doneOf(socket, run.id);
      expect(eventsOf(socket, run.id)).toEqual(await listOf(run));
    }
  });

  it('in a session that the socket follows shows the run once', async () => {
    const session = await ada.createSession();
    const socket = await newSocket();
    await socket.ask('subscribe', { session_id: session, follow: true });
    const runs = [];
    for (const content of ['slow', 'fast', 'fast'])
      runs.push(runOf((await socket.ask('start', { session_id: session, content })).data));
    for (const run of runs) {
      await doneOf(socket, run.id);
      expect(eventsOf(socket, run.id)).toEqual(await listOf(run));
    }
  });

  it('said twice with a key starts one run and shows it once', async () => {
    const socket = await newSocket();
    const request = { content: 'slow', idempotency_key: `key-${Math.random()}` };
    const [one, two] = await Promise.all([socket.ask('start', request), socket.ask('start', request)]);
    const run = runOf(one.data);
    expect(runOf(two.data).id).toBe(run.id);
    await doneOf(socket, run.id);
    expect(socket.events).toEqual(await listOf(run));
  });

  it('is a start, also of a client that goes in the same moment', async () => {
    const session = await ada.createSession();
    const socket = await newSocket();
    socket.sendRaw(JSON.stringify({ event: 'start', data: { session_id: session, content: 'fast' } }));
    await socket.close();
    const run = await until('the run', async () => (await ada.runsOf(session))[0]);
    expect((await ada.settled(run.id)).status).toBe('completed');
  });

  it('that is refused says why, and the socket goes on', async () => {
    const socket = await newSocket();
    const refused = await socket.ask('start', { content: ' ', colour: 'red' });
    expect(refused).toMatchObject({ event: 'rejected', data: { code: 'invalid_request' } });
    const { errors } = refused.data as { errors: { path: string }[] };
    expect(errors.map(({ path }) => path)).toEqual(expect.arrayContaining(['content', 'colour']));
    expect((await socket.ask('ping', {})).event).toBe('ack');
  });
});

describe('a subscription', () => {
  it('said again goes on from where it is', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'slow');
    const socket = await newSocket();
    for (const request of [
      { session_id: session },
      { run_id: run.id },
      { session_id: session, follow: true },
    ]) {
      await socket.ask('subscribe', request);
      const before = socket.events.length;
      await until('more events', () => socket.events.length > before);
    }
    await doneOf(socket, run.id);
    expect(socket.events).toEqual(await listOf(run));
  });

  it('of a session is not lost when one of its runs is named, too', async () => {
    const session = await ada.createSession();
    const first = await ada.post(session, 'slow');
    const socket = await newSocket();
    await socket.ask('subscribe', { session_id: session, follow: true });
    await until('events', () => socket.events.length > 3);
    await socket.ask('subscribe', { run_id: first.id });
    await socket.ask('unsubscribe', { run_id: first.id });
    const second = await ada.post(session, 'fast');
    for (const run of [first, second]) {
      await doneOf(socket, run.id);
      expect(eventsOf(socket, run.id)).toEqual(await listOf(run));
    }
  });

  it('that comes to a run which another shows takes it over', async () => {
    const socket = await newSocket();
    const first = runOf((await socket.ask('start', { content: 'slow' })).data);
    const session_id = first.session_id;
    const second = runOf((await socket.ask('start', { session_id, content: 'slow' })).data);
    await socket.ask('subscribe', { session_id, follow: true });
    const third = await ada.post(session_id, 'fast');
    for (const run of [first, second, third]) {
      await doneOf(socket, run.id);
      expect(eventsOf(socket, run.id)).toEqual(await listOf(run));
    }
  });

  it('with a cursor begins after it, also where another has shown that already', async () => {
    const session = await ada.createSession();
    const run = await ada.post(session, 'fast');
    const list = await listOf(run);
    const socket = await newSocket();
    await socket.ask('subscribe', { run_id: run.id });
    await doneOf(socket, run.id);
    const again = await socket.ask('subscribe', { session_id: session, last_event_id: list[2]!.id });
    expect(again.data).toEqual({ session_id: session, run_id: run.id, status: 'subscribed' });
    await until('the rest', () => socket.events.length === 2 * list.length - 3);
    expect(socket.events).toEqual([...list, ...list.slice(3)]);
  });

  it('whose cursor is a done is over', async () => {
    const run = await ada.post(await ada.createSession(), 'fast');
    const list = await listOf(run);
    const socket = await newSocket();
    const { data } = await socket.ask('subscribe', { run_id: run.id, last_event_id: list.at(-1)!.id });
    expect(data).toEqual({ session_id: run.session_id, run_id: run.id, status: 'over' });
  });

  it('is one of many on a socket, each with its whole list', async () => {
    const socket = await newSocket();
    const runs = await Promise.all(
      Array.from({ length: 30 }, async () => ada.post(await ada.createSession(), 'fast')),
    );
    await Promise.all(runs.map((run) => socket.ask('subscribe', { run_id: run.id })));
    for (const run of runs) {
      await doneOf(socket, run.id);
      expect(faultsOf(eventsOf(socket, run.id))).toEqual([]);
      expect(textOf(eventsOf(socket, run.id))).toBe(WORDS.join(''));
    }
  });

  it('that is given up shows nothing more', async () => {
    const run = await ada.post(await ada.createSession(), 'slow');
    const socket = await newSocket();
    await socket.ask('subscribe', { session_id: run.session_id });
    await until('events', () => socket.events.length > 3);
    await socket.ask('unsubscribe', { session_id: run.session_id });
    const seen = socket.events.length;
    await ada.settled(run.id);
    await socket.ask('ping', {});
    expect(socket.events).toHaveLength(seen);
    await socket.ask('subscribe', { run_id: run.id, last_event_id: socket.events.at(-1)!.id });
    await doneOf(socket, run.id);
    expect(socket.events).toEqual(await listOf(run));
  });
});

describe('answers', () => {
  it('bring back the ref, text or number, also of what makes no sense', async () => {
    const socket = await newSocket();
    const frames = [
      { event: 'ping', data: {}, ref: 'a' },
      { event: 'ping', ref: 7 },
      { event: 'shout', data: {}, ref: 'b' },
      { data: {}, ref: 'c' },
      { event: 'ping', data: {}, extra: 1, ref: 'd' },
      { event: 'cancel', data: { run_id: 'nobody' }, ref: 'e' },
      { event: 'decide', data: { run_id: 'x', tool_call_id: 'y', decision: 'approve' }, ref: 'f' },
      { event: 'ping', data: {}, id: 'ignored', ref: 'g' },
    ];
    for (const frame of frames) socket.sendRaw(JSON.stringify(frame));
    await until('all answers', () => socket.frames.length === frames.length);
    expect(
      new Map(socket.frames.map(({ event, ref, data }) => [ref as unknown, [event, data['code']]])),
    ).toEqual(
      new Map<unknown, unknown>([
        ['a', ['ack', undefined]],
        [7, ['ack', undefined]],
        ['b', ['rejected', 'invalid_request']],
        ['c', ['rejected', 'invalid_request']],
        ['d', ['rejected', 'invalid_request']],
        ['e', ['rejected', 'not_found']],
        ['f', ['rejected', 'not_found']],
        ['g', ['ack', undefined]],
      ]),
    );
  });

  it('to what is no text of ours name no prototype, and change none', async () => {
    const socket = await newSocket();
    for (const text of [
      '{"event":"ping","__proto__":{"admin":true}}',
      '{"event":"start","data":{"content":"x","__proto__":{"admin":true}}}',
      '{"event":"__proto__","data":{}}',
      '{"event":"constructor","data":{}}',
      'null',
      '"ping"',
      '[]',
    ])
      socket.sendRaw(text);
    await until('all answers', () => socket.frames.length === 7);
    expect(socket.frames.map(({ event }) => event)).toEqual(Array(7).fill('rejected'));
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('come in the order of the requests', async () => {
    const socket = await newSocket();
    const asked = Array.from({ length: 20 }, (_, n) =>
      socket.ask(n % 3 === 0 ? 'start' : 'ping', n % 3 === 0 ? { content: 'fast' } : {}),
    );
    const answered = await Promise.all(asked);
    const refs = socket.frames.filter(({ event }) => event === 'ack').map(({ ref }) => ref);
    expect(refs).toEqual(answered.map(({ ref }) => ref));
  });
});

const shout = (fill: string) => JSON.stringify({ event: 'shout', data: fill });
/** A message of so many bytes. */
const pad = (bytes: number) => shout('x'.repeat(bytes - shout('').length));

describe('what a socket may send', () => {
  it('is 64 KiB in one frame, and no byte more', async () => {
    const socket = await newSocket();
    socket.sendRaw(pad(65_536));
    expect((await socket.nextWhere(({ event }) => event === 'rejected')).data['code']).toBe(
      'invalid_request',
    );
    socket.sendRaw(pad(65_537));
    expect((await socket.closed).code).toBe(1009);
  });

  it.each([
    ['a binary frame', (socket: WebSocket) => socket.send(Buffer.from('{}')), 1003],
    ['twenty messages that make no sense', (socket: WebSocket) => repeat(20, () => socket.send('{')), 1008],
    ['101 messages', (socket: WebSocket) => repeat(101, () => socket.send('{"event":"ping"}')), 1008],
    ['101 ping frames', (socket: WebSocket) => repeat(101, () => socket.ping()), 1008],
    ['200 fragments', (socket: WebSocket) => fragments(socket, 200), 1008],
  ])('is not %s', async (_name, say, code) => {
    const socket = await newSocket();
    say(socket.socket);
    expect((await within(5_000, 'the socket to close', socket.closed)).code).toBe(code);
  });

  it('is nothing any more once it was told to go', async () => {
    const session = await ada.createSession();
    const socket = await newSocket();
    socket.sendRaw(Buffer.from('{}'));
    for (let count = 0; count < 5; count += 1)
      socket.sendRaw(JSON.stringify({ event: 'start', data: { session_id: session, content: 'fast' } }));
    expect((await socket.closed).code).toBe(1003);
    await delay(50);
    expect(await ada.runsOf(session)).toEqual([]);
  });

  it.each([
    ['an unmasked frame', Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    ['an unknown opcode', Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002],
    ['bytes that are no UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007],
    ['half a surrogate pair', Buffer.from([0x81, 0x83, 0, 0, 0, 0, 0xed, 0xa0, 0x80]), 1007],
    ['a length of 2 GiB', Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1009],
    ['a ping of 126 bytes', Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), 1002],
    ['a close of one byte', Buffer.from([0x88, 0x81, 0, 0, 0, 0, 3]), 1002],
    ['a close with 1005', Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed]), 1002],
  ])('is not %s', async (_name, bytes, code) => {
    expect(await closeCodeAfter(bytes)).toBe(code);
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
  });
});

function repeat(count: number, say: () => void): void {
  for (let n = 0; n < count; n += 1) say();
}

function fragments(socket: WebSocket, count: number): void {
  for (let n = 0; n < count; n += 1) socket.send('x', { fin: n === count - 1 });
}

/** Opens a socket by hand, sends the bytes, and reads the code with which it is closed. */
async function closeCodeAfter(bytes: Buffer): Promise<number> {
  const { hostname, port } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  const headers = [
    `Authorization: Bearer ${ada.token}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  // The frame comes in the same packet as the handshake: it must not be lost.
  socket.write(
    Buffer.concat([Buffer.from(rawRequest(app.url, 'GET /api/agent/ws HTTP/1.1', headers)), bytes]),
  );
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await within(5_000, 'the socket to close', once(socket, 'close'));
  const answer = Buffer.concat(chunks);
  const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
  const close = body.indexOf(0x88);
  return body.readUInt16BE(close + 2);
}

const open = (options: Parameters<typeof openSocket>[1]) =>
  openSocket(app.url, { headers: ada.authorization, ...options }).then(
    (socket) => {
      sockets.push(socket);
      return socket;
    },
    (error: unknown) => error as UpgradeRefused,
  );

const upgrade = (version: string, key: string[], method = 'GET') =>
  rawHttp(
    app.url,
    rawRequest(app.url, `${method} /api/agent/ws HTTP/1.1`, [
      `Authorization: Bearer ${ada.token}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Version: ${version}`,
      ...key.map((each) => `Sec-WebSocket-Key: ${each}`),
    ]),
  );
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

describe('a handshake', () => {
  it('gets agent.v1 back, and never the token that came beside it', async () => {
    const socket = (await open({ headers: {}, bearerProtocol: ada.token })) as AgentSocket;
    expect(socket.protocol).toBe('agent.v1');
    expect((await socket.ask('ping', {})).event).toBe('ack');
    expect(((await open({ protocols: [] })) as AgentSocket).protocol).toBe('');
  });

  it.each([
    ['/', 404],
    ['/api/agent/stream', 404],
    ['/api/agent/ws/', 404],
    ['/api/agent/wsx', 404],
    ['/nothing?x=/api/agent/ws', 404],
  ])('at %s is refused in words with %d', async (path, status) => {
    const refused = (await open({ path })) as UpgradeRefused;
    expect(refused.status).toBe(status);
    expect(JSON.parse(refused.body)).toMatchObject({
      status,
      code: 'not_found',
      request_id: expect.any(String),
    });
  });

  it('without credentials is 401, from another site 403, and says so before the upgrade', async () => {
    const cookie = await signIn(app.url);
    const refused = [
      await open({ headers: {} }),
      await open({ headers: { cookie } }),
      await open({ headers: { cookie, origin: 'https://evil.test' } }),
      await open({ headers: { cookie, origin: 'null' } }),
    ] as UpgradeRefused[];
    expect(refused.map(({ status }) => status)).toEqual([401, 403, 403, 403]);
    expect(refused.map(({ body }) => (JSON.parse(body) as { code: string }).code)).toEqual([
      'unauthenticated',
      'cross_site',
      'cross_site',
      'cross_site',
    ]);
  });

  it('of an older version is 400 that names ours', async () => {
    const refused = await upgrade('8', [KEY]);
    expect([refused.status, refused.headers['sec-websocket-version']]).toEqual([400, '13']);
    expect((await upgrade('7', [KEY])).status).toBe(400);
  });

  it('with a bad or a second key is 400, and by POST 405', async () => {
    expect((await upgrade('13', ['x'])).status).toBe(400);
    expect((await upgrade('13', [KEY, KEY])).status).toBe(400);
    expect((await upgrade('13', [KEY], 'POST')).status).toBe(405);
  });

  it('to another protocol than WebSocket is not looked at: the request is answered', async () => {
    const headers = [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
    ];
    const answered = await rawHttp(app.url, rawRequest(app.url, 'GET /health/live HTTP/1.1', headers));
    expect(answered.status).toBe(200);
  });
});

const gauge = async () => {
  const text = await (
    await fetch(`${app.url}/metrics`, { headers: { authorization: 'Bearer metrics' } })
  ).text();
  return Number(/agentline_streams_open\{transport="websocket"\} (\d+)/.exec(text)?.[1]);
};

describe('a socket', () => {
  it('stays open while its peer answers pings, and is ended when it does not', async () => {
    const lively = await newSocket();
    const dead = await newSocket();
    let pings = 0;
    lively.socket.on('ping', () => (pings += 1));
    dead.socket.pause();

    await until('several pings', () => pings >= 4);
    dead.socket.resume();

    expect((await within(5_000, 'the end of the silent socket', dead.closed)).code).toBe(1006);
    expect((await lively.ask('ping', {})).event).toBe('ack');
  });

  it('whose login ends is closed with 4401, does nothing more, and shows nothing more', async () => {
    const cookie = await signIn(app.url);
    const headers = { cookie, origin: app.url, 'sec-fetch-site': 'same-origin' };
    const session = (await send<{ id: string }>('POST', `${app.url}/api/agent/sessions`, {}, headers)).body
      .id;
    const socket = await openSocket(app.url, { headers });
    sockets.push(socket);
    await socket.ask('subscribe', { session_id: session, follow: true });

    // A client that does not look at our goodbye, and goes on to ask.
    socket.socket.pause();
    await send('POST', `${app.url}/api/auth/logout`, undefined, headers);
    for (let count = 0; count < 10; count += 1)
      socket.sendRaw(JSON.stringify({ event: 'start', data: { session_id: session, content: 'fast' } }));
    await delay(50);
    socket.socket.resume();

    expect((await within(5_000, 'the socket to close', socket.closed)).code).toBe(4401);
    expect(socket.events).toEqual([]);
    const again = { ...headers, cookie: await signIn(app.url) };
    const runs = await send('GET', `${app.url}/api/agent/sessions/${session}/runs`, undefined, again);
    expect([runs.status, runs.body]).toEqual([200, { data: [] }]);
  });

  it('leaves nothing behind when it goes', async () => {
    for (const { socket } of sockets.splice(0)) socket.terminate();
    await until('all sockets to be gone', async () => (await gauge()) === 0);
    const run = await ada.post(await ada.createSession(), 'wait');
    const socket = await newSocket();
    await socket.ask('subscribe', { run_id: run.id });
    expect(await gauge()).toBe(1);
    socket.socket.terminate();
    await until('the socket to be gone', async () => (await gauge()) === 0);
    await ada.cancel(run.id);
  });
});

it('a server that goes closes its sockets with 1012', async () => {
  const own = await startApp({ ...upstreamEnv(upstream.url), SHUTDOWN_GRACE_MS: '0' });
  const socket = await openSocket(own.url, { headers: ada.authorization });
  const stopped = own.stop();
  expect(await within(5_000, 'the socket to close', socket.closed)).toEqual({
    code: 1012,
    reason: 'restart',
  });
  await stopped;
});
