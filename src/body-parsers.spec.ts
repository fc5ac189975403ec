import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Api, type Answer, send, signIn } from '../test/support/api.js';
import { type RunningApp, startApp } from '../test/support/app.js';

let app: RunningApp;
let ada: Api;
let messages: string;

const SESSIONS = '/api/agent/sessions';
const STREAM = '/api/agent/stream';

beforeAll(async () => {
  app = await startApp();
  ada = await Api.as(app.url, 'ada');
  messages = `${SESSIONS}/${await ada.createSession()}/messages`;
});

afterAll(() => app?.stop());

const code = ({ status, body }: Answer) => [status, body['code']];
const BAD = [400, 'invalid_request'];
const LARGE = [413, 'payload_too_large'];
const TYPE = [415, 'unsupported_media_type'];

/** Sends bytes as they are. */
async function post(path: string, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(app.url + path, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/json', ...ada.authorization, ...headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: JSON.parse(text) as Answer['body'],
    text,
  };
}

describe('a body', () => {
  it.each([
    ['of nothing', ''],
    ['of blanks', ' \n '],
    ['of a number', '42'],
    ['of a text', '"x"'],
    ['of null', 'null'],
    ['of a list', '[]'],
    ['that is cut', '{"title":"x'],
    ['that is cut in an escape', '{"title":"x\\u00'],
    ['with more after it', '{}{}'],
    ['with a comment', '{/**/}'],
    ['with single quotes', "{'title':'x'}"],
    ['with NaN', '{"metadata":{"a":NaN}}'],
    ['with a line feed in a text', '{"title":"a\nb"}'],
    ['with __proto__', '{"__proto__":{"admin":true}}'],
    ['with __proto__ in escapes', '{"\\u005f_proto__":{"admin":true}}'],
    ['with __proto__ deep inside', '{"metadata":{"a":[{"__proto__":{"admin":true}}]}}'],
    [
      'with constructor.prototype deep inside',
      '{"metadata":{"a":{"constructor":{"prototype":{"admin":true}}}}}',
    ],
  ])('%s is 400', async (_name, body) => {
    expect(code(await ada.call('POST', SESSIONS, body))).toEqual(BAD);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('that is empty is none: only where none is needed it is taken', async () => {
    const headers = { 'content-type': 'application/json' };
    expect(code(await ada.call('POST', SESSIONS, undefined, headers))).toEqual(BAD);
    expect(code(await ada.call('POST', messages, undefined, headers))).toEqual(BAD);
    const cancel = '/api/agent/runs/run_01h455vb4pex5vsknk084sn02q/cancel';
    expect(code(await ada.call('POST', cancel, undefined, headers))).toEqual([404, 'not_found']);
  });

  it('may speak of __proto__ as everybody does', async () => {
    const title = '"__proto__": constructor.prototype';
    const answered = await ada.call('POST', SESSIONS, { title });
    expect([answered.status, answered.body['title']]).toEqual([201, title]);
  });

  it('with a byte order mark is 400', async () => {
    expect(code(await post(SESSIONS, Buffer.from('\ufeff{}')))).toEqual(BAD);
  });

  it('that is no UTF-8 keeps what is, and breaks nothing', async () => {
    const answered = await post(
      SESSIONS,
      Buffer.from([...Buffer.from('{"title":"a'), 0xff, ...Buffer.from('b"}')]),
    );
    expect([answered.status, answered.body['title']]).toEqual([201, 'a\ufffdb']);
  });

  it.each([
    ['application/json; charset=utf-16', TYPE],
    ['application/json; charset=utf-7', TYPE],
    ['application/json; charset=utf-32', TYPE],
    ['application/json; charset=latin1', TYPE],
    ['application/json; charset=nonsense', TYPE],
    ['text/plain', TYPE],
    ['application/x-www-form-urlencoded', TYPE],
    ['multipart/form-data; boundary=x', TYPE],
    ['application/problem+json', TYPE],
    ['application/jsonx', TYPE],
    ['', TYPE],
  ])('of the type %j is refused', async (type, expected) => {
    expect(code(await ada.call('POST', SESSIONS, '{}', { 'content-type': type }))).toEqual(expected);
  });

  it.each([
    'application/json; charset=utf-8',
    'application/json; charset="UTF-8"',
    'Application/JSON ;charset=Utf-8',
  ])('of the type %j is taken', async (type) => {
    expect((await ada.call('POST', SESSIONS, '{}', { 'content-type': type })).status).toBe(201);
  });

  it('that is packed is 415: a small one may be large inside', async () => {
    for (const encoding of ['gzip', 'deflate', 'br', 'x']) {
      expect(code(await post(SESSIONS, gzipSync('{}'), { 'content-encoding': encoding }))).toEqual(TYPE);
    }
  });
});

const textOf = (bytes: number) => `{"content":"${'x'.repeat(bytes - 14)}"}`;

describe('a body is too large', () => {
  it('where files may be sent above ten million bytes', async () => {
    for (const path of [messages, STREAM]) {
      expect(code(await ada.call('POST', path, textOf(10_000_001)))).toEqual(LARGE);
      expect((await ada.call('POST', path, textOf(10_000_000))).text).toContain(
        'less than 1000000 bytes of text',
      );
    }
  });

  it('elsewhere above 256,000 bytes', async () => {
    for (const path of [SESSIONS, '/api/auth/tickets', '/api/auth/login'])
      expect(code(await ada.call('POST', path, textOf(256_001)))).toEqual(LARGE);
    expect(code(await ada.call('POST', SESSIONS, textOf(256_000)))).toEqual(BAD);
  });
});

const times = (count: number, part: string) => part.repeat(count);
const around = (inside: string) => `{"content":${inside}}`;

describe('a body that is made to cost', () => {
  it.each([
    ['lists in lists, 100,000 deep', () => times(100_000, '[') + times(100_000, ']')],
    ['lists in lists in content', () => around(times(1_000_000, '[') + times(1_000_000, ']'))],
    ['objects in objects in content', () => around(`${times(100_000, '{"a":')}1${times(100_000, '}')}`)],
    ['two million numbers', () => around(`[${times(2_000_000, '1,')}1]`)],
    ['360,000 blocks', () => around(`[${times(360_000, '{"type":"text","text":"a"},')}{}]`)],
    ['unknown fields without end', () => `{"content":"x",${times(1_000_000, '"a":1,')}"b":1}`],
    ['empty texts without end', () => around(`[${times(1_000_000, '"" ')}]`)],
  ])('by %s is 400, and nobody waits for it', async (_name, make) => {
    const body = make();
    const cpu = process.cpuUsage();
    expect(code(await ada.call('POST', messages, body))).toEqual(BAD);
    // The client's part included; parsed and checked in full, these took up to 5,000.
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(1_000);
  });

  it('by depth in metadata is 400', async () => {
    for (const depth of [100, 2_000, 50_000])
      expect(
        code(await ada.call('POST', SESSIONS, `{"metadata":{"a":${times(depth, '[')}${times(depth, ']')}}}`)),
      ).toEqual(BAD);
    expect(
      (await ada.call('POST', SESSIONS, `{"metadata":{"a":${times(60, '[')}${times(60, ']')}}}`)).status,
    ).toBe(201);
  });
});

/** What is answered to the head of a request whose body never comes. */
async function answerToHead(path: string, headers: string[]): Promise<string> {
  const { host, port, hostname } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  const lines = [`POST ${path} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json', ...headers];
  socket.write([...lines, '', ''].join('\r\n'));
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return first.toString().split('\r\n')[0] ?? '';
}

const credentials = () => `Authorization: ${ada.authorization.authorization}`;

describe('a large body, or one of unknown length, where files may be sent', () => {
  const EXPECTS = 'Expect: 100-continue';
  const LENGTH = 'Content-Length: 9900000';
  const CHUNKED = 'Transfer-Encoding: chunked';
  const NOBODY = 'HTTP/1.1 401 Unauthorized';
  const ASKED = 'HTTP/1.1 100 Continue';

  it('of nobody is refused before it is read or asked for', async () => {
    for (const path of [messages, STREAM, '/api/formats/ag-ui/assistant'])
      for (const length of [LENGTH, CHUNKED])
        for (const more of [
          [],
          [EXPECTS],
          ['Authorization: Bearer not.a.token'],
          ['Cookie: session=s%3Ax.y'],
        ])
          expect(await answerToHead(path, [length, ...more])).toBe(NOBODY);
    expect(await answerToHead(messages, ['Content-Length: 2', EXPECTS])).toBe(NOBODY);
  });

  it('of a user is asked for, and read', async () => {
    expect(await answerToHead(messages, [LENGTH, EXPECTS, credentials()])).toBe(ASKED);
    expect(await answerToHead(STREAM, [CHUNKED, EXPECTS, credentials()])).toBe(ASKED);
    expect(await answerToHead('/api/auth/login', ['Content-Length: 2', EXPECTS])).toBe(ASKED);
  });

  it('of a user who is signed in by cookie is read, too', async () => {
    const cookie = await signIn(app.url);
    const headers = { cookie, origin: app.url };
    const { body } = await send<{ id: string }>('POST', app.url + SESSIONS, {}, headers);
    const path = `${app.url}${SESSIONS}/${body.id}/messages`;
    expect((await send('POST', path, { content: 'x'.repeat(600_000) }, headers)).status).toBe(202);
    const bad = await send('POST', path, textOf(2_000_000), { cookie, origin: 'https://evil.test' });
    expect([bad.status, bad.body['code']]).toEqual([403, 'cross_site']);
  });
});
