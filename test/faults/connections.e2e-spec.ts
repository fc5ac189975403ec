import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api } from '../support/api.js';
import { Nginx, WITHOUT_NGINX } from '../support/faults/nginx.js';
import { ServerProcess } from '../support/server-process.js';
import { within } from '../support/until.js';
import { rawHttp, rawRequest } from '../support/wire/raw-http.js';
import { HANDSHAKE } from '../support/wire/raw-socket.js';

let server: ServerProcess;
let ada: Api;

beforeAll(async () => {
  server = await ServerProcess.start();
  ada = await Api.as(server.url, 'ada');
}, 60_000);

afterAll(() => server?.stop());

interface Loris {
  socket: Socket;
  /** Milliseconds until the server closed, and what it said. */
  closed: Promise<{ ms: number; said: string }>;
}

/** A connection that begins with these bytes and then, if at all, goes on with one byte at a time. */
async function begin(bytes: string, drip = ''): Promise<Loris> {
  const socket = connect(server.port, '127.0.0.1');
  let said = '';
  const from = performance.now();
  socket.on('data', (part) => (said += part.toString('latin1')));
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  socket.write(bytes);
  const timer = setInterval(() => drip !== '' && socket.write(drip), 500);
  const closed = once(socket, 'close').then(() => {
    clearInterval(timer);
    return { ms: performance.now() - from, said };
  });
  return { socket, closed };
}

const REQUEST = 'GET /health/live HTTP/1.1\r\nHost: a.test\r\n';
const upgrade = () =>
  rawRequest(server.url, 'GET /api/agent/ws HTTP/1.1', [
    ...HANDSHAKE,
    `Authorization: Bearer ${ada.token}`,
  ]).slice(0, -2);

const SLOW: [row: string, words: string, ms: number, bytes: () => string, drip: string][] = [
  ['S35', 'sends its headers byte by byte', 60_000, () => `${REQUEST}X: `, 'a'],
  ['S35', 'begins a header, and stops', 60_000, () => `${REQUEST}X-`, ''],
  ['S35', 'sends headers without an end', 60_000, () => REQUEST, 'X: a\r\n'],
  ['S36, B52', 'begins a handshake, and stops', 10_000, upgrade, ''],
  ['S36, B52', 'sends its handshake byte by byte', 10_000, upgrade, 'a'],
  ['B52', 'says nothing at all', 10_000, () => '', ''],
];

describe('a connection that is slow on purpose', () => {
  /** All at the same time, forty of each kind. */
  let slow: Promise<Loris[]>[];

  beforeAll(() => {
    slow = SLOW.map(([, , , bytes, drip]) =>
      Promise.all(Array.from({ length: 40 }, () => begin(bytes(), drip))),
    );
  });

  it('S35 keeps nobody else waiting', async () => {
    const delays: number[] = [];
    for (let n = 0; n < 30; n += 1) {
      const from = performance.now();
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
      delays.push(performance.now() - from);
    }
    expect(Math.max(...delays)).toBeLessThan(5_000);
  });

  it.each(SLOW.map(([row, words, ms], index) => [row, words, ms, index] as const))(
    '%s %s is closed within %d ms',
    async (_row, _words, ms, index) => {
      const all = Promise.all((await slow[index]!).map(({ closed }) => closed));
      const ended = await within(ms + 5_000, 'the end of the slow ones', all);
      expect(Math.max(...ended.map((each) => each.ms))).toBeLessThan(ms);
      for (const { said } of ended) {
        const [head = '', body = '{}'] = said.split('\r\n\r\n');
        expect(head).toMatch(/^HTTP\/1\.1 408 .*content-type: application\/problem\+json/is);
        expect(JSON.parse(body)).toMatchObject({
          status: 408,
          code: 'request_timeout',
          request_id: expect.any(String),
        });
      }
    },
  );

  it('S35 that completes its request after it was refused has it not done', async () => {
    const body = '{"title":"too late"}';
    const late = await begin(
      rawRequest(server.url, 'POST /api/agent/sessions HTTP/1.1', [
        `Authorization: Bearer ${ada.token}`,
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
      ]).slice(0, -2),
    );
    late.socket.once('data', () => late.socket.write(`\r\n${body}`));
    const { said } = await within(20_000, 'the refusal', late.closed);
    expect(said.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 408']);
    expect((await ada.call('GET', '/api/agent/sessions')).text).not.toContain('too late');
  });

  it('S36 that leaves in the middle of a handshake leaves nothing behind', async () => {
    for (let n = 0; n < 200; n += 1) (await begin(`${upgrade()}\r\n`)).socket.destroy();
    const socket = await ada.socket();
    expect((await socket.ask('ping', {})).event).toBe('ack');
    await socket.close();
  });
});

describe('a request that is framed in two ways, behind nginx', () => {
  if (WITHOUT_NGINX !== undefined && !process.env['CI']) {
    it.skip(`S51: ${WITHOUT_NGINX}`, () => undefined);
    return;
  }
  let nginx: Nginx;

  beforeAll(async () => {
    nginx = await Nginx.before(server.port, ['upstream back { server 127.0.0.1:1; }']);
  });

  afterAll(() => nginx?.stop());

  it.each<[string, string[], number[]]>([
    ['a length and chunks', ['Content-Length: 6', 'Transfer-Encoding: chunked'], [400]],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 6'], [400]],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 6'], [400]],
    ['the same length twice', ['Content-Length: 5', 'Content-Length: 5'], [400]],
    ['a coding that nobody knows', ['Transfer-Encoding: xchunked'], [400, 501]],
    ['chunks of chunks', ['Transfer-Encoding: chunked, chunked'], [400, 501]],
    ['chunks behind a control character', ['Transfer-Encoding: \x0bchunked'], [400, 501]],
  ])('S51 with %s is refused, and the next gets its own answer', async (_words, framing, statuses) => {
    const hidden = 'GET /api/agent/sessions/smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
    const headers = [`Authorization: Bearer ${ada.token}`, 'Content-Type: application/json', ...framing];
    const attack = rawRequest(nginx.url, 'POST /api/agent/sessions HTTP/1.1', headers, `0\r\n\r\n${hidden}`);
    const refused = await rawHttp(nginx.url, attack);
    expect(statuses).toContain(refused.status);
    expect([
      refused.closed || refused.headers['connection'] === 'close',
      /HTTP\/1\.1 \d/.test(refused.body),
    ]).toEqual([true, false]);
    for (let n = 0; n < 5; n += 1) {
      const next = await fetch(`${nginx.url}/health/live`);
      expect([next.status, await next.json()]).toEqual([200, { status: 'ok' }]);
    }
  });
});
