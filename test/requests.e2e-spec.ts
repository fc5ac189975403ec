import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, type Answer, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { faultsOf } from './support/event-list.js';
import { FakeUpstream, type UpstreamCall } from './support/fake-upstream.js';
import { rawHttp, rawRequest } from './support/wire/raw-http.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';
import type { Frame } from './support/ws-client.js';

const NOBODYS_SESSION = 'ses_01h455vb4pex5vsknk084sn02q';
const NOBODYS_RUN = 'run_01h455vb4pex5vsknk084sn02q';

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let eve: Api;
let session: string;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp(upstreamEnv(upstream.url));
  ada = await Api.as(app.url, 'ada');
  eve = await Api.as(app.url, 'eve');
  session = await ada.createSession();
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

function answer(call: UpstreamCall) {
  const slow = JSON.stringify(call.body.messages.at(-1)).includes('slow');
  return { sse: textReply(Array<string>(slow ? 100 : 1).fill('word ')), paceMs: slow ? 20 : 0 };
}

/** A refusal as RFC 9457 and the contract want it. */
function expectProblem(refused: Answer, statuses: number[], code?: string): void {
  expect(statuses).toContain(refused.status);
  expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const { status } = refused;
  expect(refused.body).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    status,
    detail: expect.any(String),
  });
  expect(refused.body).toMatchObject({
    code: code ?? expect.any(String),
    request_id: expect.stringMatching(/^\S+$/),
  });
  expect(refused.text).not.toMatch(/node_modules|\bat \S+:\d+|SELECT |sqlite|\.[jt]s:\d/i);
  expect(refused.headers.has('x-powered-by')).toBe(false);
}

const messages = (id = session) => `/api/agent/sessions/${id}/messages`;

/** What the service keeps for ada: her sessions, and the messages and runs of the one in use. */
async function everything(): Promise<unknown> {
  const sessions = await ada.call('GET', '/api/agent/sessions');
  return [sessions.body, await ada.runsOf(session), (await ada.call('GET', messages())).body];
}

function withKey(key: string): Record<string, string> {
  return { 'idempotency-key': key };
}

function start(who: Api, id: string, content: string, key: string): Promise<Answer<{ run: RunBody }>> {
  return who.call<{ run: RunBody }>('POST', messages(id), { content }, withKey(key));
}

function put(text: string, sessionId: string, runId: string): string {
  return text.replace('SESSION', sessionId).replace('RUN', runId);
}

/** A refusal without what differs between any two of them. */
function bare(refused: Answer): string {
  const fields = Object.entries(refused.body).filter(([name]) => name !== 'request_id');
  return JSON.stringify(fields).replaceAll(/(ses|run)_\w+/g, 'ID');
}

async function busySession(): Promise<{ id: string; first: RunBody }> {
  const id = await ada.createSession();
  const first = await ada.post(id, 'slow');
  await until('the run to run', async () => (await ada.run(first.id)).status === 'running');
  return { id, first };
}

function numbered(count: number, header: (n: number) => string): string[] {
  return Array.from({ length: count }, (_, n) => header(n));
}

describe('a bad request changes nothing and says what is wrong', () => {
  let before: unknown;

  beforeAll(async () => {
    before = await everything();
  });

  beforeEach(() => upstream.forget());

  afterAll(async () => {
    expect(await everything()).toEqual(before);
    expect(upstream.calls).toEqual([]);
  });

  it.each([
    ['no session_id', ''],
    ['an empty session_id', '?session_id='],
    ['session_id twice', `?session_id=${NOBODYS_SESSION}&session_id=${NOBODYS_SESSION}`],
    ['session_id as a list', `?session_id[]=${NOBODYS_SESSION}`],
    ['session_id as an object', '?session_id[__proto__]=x'],
    ['an id of 10 KB', `?session_id=ses_${'a'.repeat(10_000)}`],
    ['a bad percent code', '?session_id=%zz'],
    ['a follow that is neither true nor false', `?session_id=${NOBODYS_SESSION}&follow=perhaps`],
  ])('GET stream with %s: 400', async (_name, query) => {
    expectProblem(await ada.call('GET', `/api/agent/stream${query}`), [400], 'invalid_request');
  });

  it.each([
    ['a path', '../../etc/passwd'],
    ['SQL', "' OR 1=1--"],
    ['a bare UUID', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['braces', '{01890a5d-ac96-774b-bcce-b302099a8057}'],
  ])('GET stream with %s as session_id: 400 or 404', async (_name, id) => {
    expectProblem(
      await ada.call('GET', `/api/agent/stream?session_id=${encodeURIComponent(id)}`),
      [400, 404],
    );
  });

  it('the right id in upper case is not that id', async () => {
    expectProblem(await ada.call('GET', `/api/agent/sessions/${session.toUpperCase()}`), [400, 404]);
    expectProblem(await ada.call('GET', `/api/agent/stream?session_id=${session.toUpperCase()}`), [400, 404]);
  });

  it('a bad percent code in the path: 400', async () => {
    expectProblem(await ada.call('GET', '/api/agent/sessions/%zz'), [400]);
  });

  it('a stream that is asked for as JSON: 406', async () => {
    const path = `/api/agent/stream?session_id=${session}`;
    expectProblem(
      await ada.call('GET', path, undefined, { accept: 'application/json' }),
      [406],
      'not_acceptable',
    );
  });

  it.each(['utf-7', 'utf-16'])('a body in %s: 415', async (charset) => {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    expectProblem(
      await ada.call('POST', messages(), { content: 'x' }, headers),
      [415],
      'unsupported_media_type',
    );
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'a body of %s: 415',
    async (type) => {
      expectProblem(await ada.call('POST', messages(), '{"content":"x"}', { 'content-type': type }), [415]);
    },
  );

  it.each([
    ['empty', ''],
    ['of 300 characters', 'k'.repeat(300)],
    ['not ASCII', 'schlÃ¼ssel'],
  ])('an Idempotency-Key that is %s: 400', async (_name, key) => {
    expectProblem(await ada.call('POST', messages(), { content: 'x' }, { 'idempotency-key': key }), [400]);
  });

  it.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['a string', '"x"'],
    ['a number', '42'],
    ['cut JSON', '{"content":"x"'],
    ['a trailing comma', '{"content":"x",}'],
    ['two objects', '{"content":"x"}{"content":"y"}'],
    ['a byte order mark', '\ufeff{"content":"x"}'],
    ['a comment', '{"content":"x" /* y */}'],
    ['__proto__', '{"content":"x","__proto__":{"admin":true}}'],
    ['constructor.prototype', '{"content":"x","constructor":{"prototype":{"admin":true}}}'],
    ['no content', '{}'],
    ['empty content', '{"content":""}'],
    ['blank content', '{"content":" \\n\\t"}'],
    ['no blocks', '{"content":[]}'],
    ['an empty text block', '{"content":[{"type":"text","text":""}]}'],
    ['an unknown block', '{"content":[{"type":"tool_result","tool_use_id":"x","content":"y"}]}'],
    ['content of an object', '{"content":{}}'],
    ['content of true', '{"content":true}'],
    ['content of numbers', '{"content":[1]}'],
    ['NUL in text', '{"content":"a\\u0000b"}'],
    ['NUL in a block', '{"content":[{"type":"text","text":"a\\u0000b"}]}'],
    ['an unknown when_busy', '{"content":"x","when_busy":"wait"}'],
  ])('a message of %s: 400', async (_name, body) => {
    expectProblem(await ada.call('POST', messages(), body), [400], 'invalid_request');
    expectProblem(await ada.call('POST', '/api/agent/stream', body), [400], 'invalid_request');
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it.each(['tenant_id', 'role', 'owner_id', 'approved', 'user_id'])(
    'the unknown field %s: 400 that names it',
    async (field) => {
      for (const [path, rest] of [
        [messages(), { content: 'x' }],
        ['/api/agent/stream', { content: 'x' }],
        ['/api/agent/sessions', {}],
      ] as const) {
        const refused = await ada.call<{ errors: { path: string }[] }>('POST', path, {
          ...rest,
          [field]: 'x',
        });
        expectProblem(refused, [400], 'invalid_request');
        expect(JSON.stringify(refused.body.errors)).toContain(field);
      }
    },
  );

  it.each([
    ['a picture that is text', 'image', 'image/png', 'aGVsbG8gd29ybGQ='],
    ['a picture of another kind than it says', 'image', 'image/jpeg', PNG()],
    ['a picture that is a page', 'image', 'text/html', 'PGh0bWw+'],
    ['a picture that is not base64', 'image', 'image/png', '!!!'],
    ['a document that is no PDF', 'document', 'application/pdf', 'aGVsbG8gd29ybGQ='],
  ])('%s: 400 or 415', async (_name, type, media_type, data) => {
    const content = [{ type, source: { type: 'base64', media_type, data } }];
    expectProblem(await ada.call('POST', messages(), { content }), [400, 415]);
  });

  it('10 MB of body: 413; 1 MB of content: 413 or 400', async () => {
    expectProblem(
      await ada.call('POST', messages(), { content: 'x'.repeat(10_000_000) }),
      [413],
      'payload_too_large',
    );
    expectProblem(await ada.call('POST', messages(), { content: 'x'.repeat(1_000_000) }), [413, 400]);
  });

  it.each([
    ['TRACE', '/api/agent/sessions', [405]],
    ['PUT', '/api/agent/sessions', [404, 405]],
    ['GET', '/api/agent/nothing', [404]],
  ])('%s %s is refused', async (method, path, statuses) => {
    const answer = await rawHttp(
      app.url,
      rawRequest(app.url, `${method} ${path} HTTP/1.1`, [`Authorization: Bearer ${ada.token}`]),
    );
    expect(statuses).toContain(answer.status);
    expect(answer.headers['content-type']).toMatch(/problem\+json/);
  });

  it('X-HTTP-Method-Override is ignored', async () => {
    const headers = { 'x-http-method-override': 'DELETE' };
    expectStatus(await ada.call('GET', `/api/agent/sessions/${session}`, undefined, headers), 200);
    expectStatus(await ada.call('GET', `/api/agent/sessions/${session}`), 200);
  });
});

describe('bytes that are hardly HTTP', () => {
  const get = 'GET /health/live HTTP/1.1';

  it.each<[string, string, string[], number[]]>([
    ['a URL of 20 KB', `GET /?${'a'.repeat(20_000)} HTTP/1.1`, [], [431]],
    ['a header of 17 KB', get, [`X-Long: ${'a'.repeat(17_000)}`], [431]],
    ['3,000 headers', get, numbered(3_000, (n) => `X-${n}: 1`), [431]],
    ['200 cookies', get, numbered(200, (n) => `Cookie: c${n}=${'a'.repeat(100)}`), [431]],
    ['two Host', get, ['Host: a.test', 'Host: b.test'], [400]],
    ['an unknown expectation', get, ['Expect: 200-maybe'], [417]],
    ['an absolute URL', 'GET http://evil.test/health/live HTTP/1.1', [], [400, 405]],
    ['CONNECT', 'CONNECT evil.test:443 HTTP/1.1', [], [400, 405]],
    ['HTTP/0.9', 'GET /health/live', [], [400, 405]],
    ['two lengths', 'POST /api/agent/sessions HTTP/1.1', ['Content-Length: 2', 'Content-Length: 3'], [400]],
    [
      'length and chunks',
      'POST /api/agent/sessions HTTP/1.1',
      ['Content-Length: 2', 'Transfer-Encoding: chunked'],
      [400],
    ],
    [
      'a socket by POST',
      'POST /api/agent/ws HTTP/1.1',
      ['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 0'],
      [401, 404, 405],
    ],
  ])('%s: refused', async (_name, line, headers, statuses) => {
    const { status } = await rawHttp(app.url, rawRequest(app.url, line, headers));
    expect(statuses).toContain(status);
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
  });
});

describe('text', () => {
  it.each([
    ['line separators, direction marks, zero-width and tag characters', 'a\u2028b\u202ec\u200bd\u{e0041}e'],
    ['300 combining marks', `e${'\u0301'.repeat(300)}`],
    ['SQL, Redis, template and ANSI', "'; DROP TABLE runs;-- ${7*7} {{7*7}} \u001b[31m *1\r\nPING"],
  ])('of %s is stored and given to the model unchanged', async (_name, content) => {
    upstream.forget();
    const own = await ada.createSession();
    await ada.settled((await ada.post(own, content)).id);
    const stored = await ada.call<{ data: { content: unknown }[] }>('GET', messages(own));
    expect(JSON.stringify(stored.body.data[0])).toContain(JSON.stringify(content));
    expect(JSON.stringify(upstream.calls[0]!.body.messages[0])).toContain(JSON.stringify(content));
  });

  it('with a picture reaches the model', async () => {
    const source = { type: 'base64', media_type: 'image/png', data: PNG() };
    const own = await ada.createSession();
    upstream.forget();
    const run = await ada.post(own, [
      { type: 'text', text: 'see' },
      { type: 'image', source },
    ]);
    expect((await ada.settled(run.id)).status).toBe('completed');
    expect(upstream.calls[0]!.body.messages[0]).toMatchObject({
      content: [{ type: 'text' }, { type: 'image', source }],
    });
  });

  it('with the last of two equal keys wins, or is refused', async () => {
    const own = await ada.createSession();
    const answered = await ada.call<{ run: RunBody }>(
      'POST',
      messages(own),
      '{"content":"first","content":"second"}',
    );
    if (answered.status === 400) return;
    await ada.settled(answered.body.run.id);
    const stored = (await ada.call('GET', messages(own))).text;
    expect(stored).toContain('second');
    expect(stored).not.toContain('first');
  });
});

/** The run that an `ack` names. */
function runIdOf(ack: Frame): string {
  return (ack.data['run'] as RunBody).id;
}

describe('an Idempotency-Key', () => {
  it('with the same body answers the same run, also for 20 calls at once', async () => {
    const own = await ada.createSession();
    upstream.forget();
    const answers = await Promise.all(Array.from({ length: 20 }, () => start(ada, own, 'once', 'same')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => body.run.id)).size).toBe(1);
    await ada.settled(answers[0]!.body.run.id);
    expect(expectStatus(await start(ada, own, 'once', 'same'), 202).body.run.id).toBe(
      answers[0]!.body.run.id,
    );
    expect(await ada.runsOf(own)).toHaveLength(1);
    expect(upstream.calls).toHaveLength(1);
  });

  it('with another body is refused with 422', async () => {
    const own = await ada.createSession();
    await start(ada, own, 'one', 'mismatch');
    expectProblem(await start(ada, own, 'two', 'mismatch'), [422], 'idempotency_mismatch');
    expect(await ada.runsOf(own)).toHaveLength(1);
  });

  it('of two users or two tenants starts two runs', async () => {
    const other = await Api.as(app.url, 'ada', { tenant_id: 'other' });
    const runs = await Promise.all(
      [ada, eve, other].map(async (who) =>
        expectStatus(await start(who, await who.createSession(), 'x', 'shared'), 202),
      ),
    );
    expect(new Set(runs.map(({ body }) => body.run.id)).size).toBe(3);
  });

  it('on POST stream repeats the stream of the same run', async () => {
    const options = { body: { content: 'once' }, headers: withKey('streamed') };
    const first = await ada.read({}, options);
    const second = await ada.read({}, options);
    expect(faultsOf(first.events)).toEqual([]);
    expect(second.events).toEqual(first.events);
  });

  it('works over a socket as over HTTP', async () => {
    const socket = await ada.socket();
    const message = { content: 'once', idempotency_key: 'socket' };
    const [first, second] = [await socket.ask('start', message), await socket.ask('start', message)];
    expect([first.event, second.event]).toEqual(['ack', 'ack']);
    expect(runIdOf(second)).toBe(runIdOf(first));
    const other = await socket.ask('start', { ...message, content: 'twice' });
    expect(other).toMatchObject({ event: 'rejected', data: { code: 'idempotency_mismatch' } });
    await socket.close();
  });
});

describe('what belongs to somebody else', () => {
  let run: RunBody;

  beforeAll(async () => {
    run = await ada.post(session, 'mine');
    await ada.settled(run.id);
  });

  const calls: [string, string, unknown][] = [
    ['GET', '/api/agent/sessions/SESSION', undefined],
    ['PATCH', '/api/agent/sessions/SESSION', { title: 'x' }],
    ['DELETE', '/api/agent/sessions/SESSION', undefined],
    ['GET', '/api/agent/sessions/SESSION/messages', undefined],
    ['POST', '/api/agent/sessions/SESSION/messages', { content: 'x' }],
    ['GET', '/api/agent/sessions/SESSION/runs', undefined],
    ['GET', '/api/agent/runs/RUN', undefined],
    ['POST', '/api/agent/runs/RUN/cancel', undefined],
    ['GET', '/api/agent/stream?session_id=SESSION', undefined],
    ['POST', '/api/agent/stream', { session_id: 'SESSION', content: 'x' }],
    ['POST', '/api/auth/tickets', { session_id: 'SESSION' }],
  ];

  it.each(calls)('%s %s answers like what does not exist', async (method, path, body) => {
    const ask = (who: Api, sessionId: string, runId: string) =>
      who.call(method, put(path, sessionId, runId), body && put(JSON.stringify(body), sessionId, runId));
    const nothing = await ask(ada, NOBODYS_SESSION, NOBODYS_RUN);
    const tenant = await Api.as(app.url, 'ada', { tenant_id: 'other' });
    for (const who of [eve, tenant]) {
      const foreign = await ask(who, session, run.id);
      expectProblem(foreign, [404], 'not_found');
      expect(bare(foreign)).toBe(bare(nothing));
    }
    expect((await ada.run(run.id)).status).toBe('completed');
  });

  it('cannot be watched, cancelled or used over a socket', async () => {
    const socket = await eve.socket();
    for (const [event, data] of [
      ['subscribe', { session_id: session }],
      ['subscribe', { run_id: run.id }],
      ['start', { session_id: session, content: 'x' }],
      ['cancel', { run_id: run.id }],
    ] as const) {
      expect(await socket.ask(event, data)).toMatchObject({ event: 'rejected', data: { code: 'not_found' } });
    }
    expect(socket.events).toEqual([]);
    await socket.close();
  });

  it('is not in the lists of others', async () => {
    expect((await eve.call('GET', '/api/agent/sessions')).text).not.toContain(session);
  });
});

describe('a message to a busy session', () => {
  it('is refused with 409 when it says reject, and starts nothing', async () => {
    const { id, first } = await busySession();
    expectProblem(
      await ada.call('POST', messages(id), { content: 'x', when_busy: 'reject' }),
      [409],
      'session_busy',
    );
    expect(await ada.runsOf(id)).toHaveLength(1);
    await ada.cancel(first.id);
    expect((await ada.settled((await ada.post(id, 'x', { when_busy: 'reject' })).id)).status).toBe(
      'completed',
    );
  });

  it('is worked off after the active run when it says queue, which is the default', async () => {
    const { id, first } = await busySession();
    const queued = [await ada.post(id, 'x', { when_busy: 'queue' }), await ada.post(id, 'y')];
    expect(queued.map(({ status }) => status)).toEqual(['queued', 'queued']);
    const [second, third] = await Promise.all(queued.map(async (run) => ada.settled(run.id)));
    const ended = await ada.run(first.id);
    expect([ended.status, second!.status, third!.status]).toEqual(['completed', 'completed', 'completed']);
    expect([ended.ended_at! <= second!.ended_at!, second!.ended_at! <= third!.ended_at!]).toEqual([
      true,
      true,
    ]);
    expect(upstream.complaints).toEqual([]);
  });

  it('cancels the active run and takes its place when it says interrupt', async () => {
    const { id, first } = await busySession();
    const second = await ada.post(id, 'x', { when_busy: 'interrupt' });
    expect((await ada.settled(second.id)).status).toBe('completed');
    expect((await ada.run(first.id)).status).toBe('cancelled');
    expect(upstream.complaints).toEqual([]);
  });
});

describe('socket messages', () => {
  it('that are binary end the socket with 1003', async () => {
    const socket = await ada.socket();
    socket.sendRaw(Buffer.from('{"event":"ping","data":{}}'));
    expect((await socket.closed).code).toBe(1003);
  });

  it('above 64 KiB end the socket with 1009', async () => {
    const socket = await ada.socket();
    socket.sendRaw(JSON.stringify({ event: 'ping', data: { pad: 'x'.repeat(65_536) } }));
    expect((await socket.closed).code).toBe(1009);
  });

  it.each([
    ['not JSON', '{"event":'],
    ['not an object', '[]'],
    ['without event', '{"data":{}}'],
    ['of an unknown event', '{"event":"shout","data":{}}'],
    ['of an auth event', '{"event":"auth","data":{"token":"x"}}'],
    ['with a bad body', '{"event":"subscribe","data":{}}'],
    [
      'with an unknown field',
      '{"event":"cancel","data":{"run_id":"run_01h455vb4pex5vsknk084sn02q","force":true}}',
    ],
  ])('%s are rejected, and the socket stays of use', async (_name, text) => {
    const socket = await ada.socket();
    socket.sendRaw(text);
    const rejected = await socket.nextWhere(({ event }) => event === 'rejected');
    expect(rejected.data).toMatchObject({ code: expect.any(String), error: expect.any(String) });
    expect((await socket.ask('ping', {})).event).toBe('ack');
    await socket.close();
  });

  it('of which 20 are unknown end the socket with 1008', async () => {
    const socket = await ada.socket();
    for (let n = 0; n < 20; n += 1) socket.sendRaw('{"event":"shout","data":{}}');
    expect((await socket.closed).code).toBe(1008);
    expect(socket.frames.every(({ event }) => event === 'rejected')).toBe(true);
  });

  it.each([
    ['subscribe', () => JSON.stringify({ event: 'subscribe', data: { session_id: session } })],
    ['ping', () => '{"event":"ping","data":{}}'],
  ])('of which more than 100 come in 10 s end the socket with 1008: %s', async (_name, text) => {
    const socket = await ada.socket();
    for (let n = 0; n < 1_000; n += 1) socket.sendRaw(text());
    expect((await socket.closed).code).toBe(1008);
    expect((await ada.call('GET', `/api/agent/sessions/${session}`)).status).toBe(200);
  });

  it('a flood of ping frames ends the socket with 1008', async () => {
    const { socket, closed } = await ada.socket();
    for (let n = 0; n < 10_000 && socket.readyState === socket.OPEN; n += 1) socket.ping();
    expect((await closed).code).toBe(1008);
  });
});

/** The smallest PNG: one pixel. */
function PNG(): string {
  return 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=';
}
