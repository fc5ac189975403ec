import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { send } from '../support/api.js';
import { readSse } from '../support/sse-client.js';
import { within } from '../support/until.js';
import { rawHttp, rawRequest } from '../support/wire/raw-http.js';
import { bearer, NOBODYS_RUN, refusal, refusalOf, stage } from './stage.js';

/** Described routes that need no principal while developing. */
const OPEN = [
  'GET /api/asyncapi.json',
  'GET /api/auth/methods',
  'GET /api/auth/oidc/callback',
  'GET /api/auth/oidc/login',
  'GET /api/openapi.json',
  'GET /health/live',
  'GET /health/ready',
  'POST /api/auth/login',
  'POST /api/auth/token',
];

interface Description {
  paths: Record<string, Record<string, unknown>>;
}

/** Method and path of every route that the server describes, with ids that nobody has. */
async function routes(): Promise<[string, string][]> {
  const { body } = await stage.ada.call<Description>('GET', '/api/openapi.json');
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => /^(get|post|put|patch|delete)$/.test(method))
      .map((method): [string, string] => [method.toUpperCase(), path.replace(/\{\w+\}/g, NOBODYS_RUN)]),
  );
}

const STATUSES = new Set([200, 204, 400, 401, 403, 404, 405, 415]);

/** An answer's head, of a response that may have no end. */
async function statusOf(method: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  const stop = new AbortController();
  const response = await fetch(stage.url + path, {
    method,
    headers,
    redirect: 'manual',
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(5_000)]),
  });
  stop.abort();
  return response.status;
}

const get = (path: string) => rawRequest(stage.url, `GET ${path} HTTP/1.1`, [bearer(stage.ada)]);

/** A session with this number in its metadata, as it is told. */
async function made(number: string): Promise<{ metadata?: { a: unknown } }> {
  const { body } = await stage.post('/api/agent/sessions', `{"metadata":{"a":${number}}}`);
  return JSON.parse(body) as { metadata?: { a: unknown } };
}

export function beyond(): void {
  describe('every route', () => {
    let all: [string, string][];

    beforeAll(async () => {
      all = await routes();
      expect(all.length).toBeGreaterThan(25);
    });

    it('that is described is for nobody without a principal, unless it is one of these', async () => {
      const open: string[] = [];
      for (const [method, path] of all) {
        const hasBody = method !== 'GET' && method !== 'DELETE';
        const answer = await send(method, stage.url + path, hasBody ? {} : undefined);
        if (answer.status !== 401 || refusalOf(answer) !== '401 unauthenticated')
          open.push(`${method} ${path}`);
      }
      expect(open.toSorted()).toEqual(OPEN);
    });

    it('answers HEAD and OPTIONS, and keeps the connection for the next request', async () => {
      for (const path of new Set(all.map(([, each]) => each)))
        for (const method of ['HEAD', 'OPTIONS']) {
          const status = await statusOf(method, path, stage.ada.authorization);
          expect([path, method, STATUSES.has(status)]).toEqual([path, method, true]);
        }
    });

    it('is the same for whoever writes it in capital letters or with a slash behind', async () => {
      for (const path of [
        '/METRICS',
        '/metrics/',
        '/API/agent/sessions',
        '/api/agent/sessions/',
        '/Api/Auth/Me',
        '/api/ADMIN/users',
        '/Api/Agent/Stream/',
      ])
        expect([401, 404]).toContain(await statusOf('GET', path));
      expect(await statusOf('GET', '/METRICS', stage.ada.authorization)).toBe(403);
    });

    it.each([
      '/api/agent/sessions;a=b',
      '/api;/agent/sessions',
      '/api//agent/sessions',
      '/api/agent/sessions%2f',
      '/api%2fagent%2fsessions',
      '//api/agent/sessions',
      '/api/agent/sessions/..%2fsessions',
      '/api/agent/sessions/%2e%2e%2fsessions',
      '/api\\agent\\sessions'.replaceAll('\\', '%5c'),
    ])('is not found under %s', async (path) => {
      expect(refusal(await stage.get(path))).toBe('404 not_found');
    });

    it.each([
      'Authorization_',
      'authorization-',
      'X-Authorization',
      'HTTP_AUTHORIZATION',
      'Proxy-Authorization',
    ])('takes no token from the header %s', async (name) => {
      const answer = await stage.raw('GET /api/auth/me', [`${name}: Bearer ${stage.ada.token}`]);
      expect(refusal(answer)).toBe('401 unauthenticated');
    });

    it.each([
      'X-User-Id: ada',
      'X-Forwarded-User: ada',
      'X-Original-URL: /metrics',
      'X-Rewrite-URL: /metrics',
      'X-Forwarded-Host: evil.test',
      'Forwarded: for=127.0.0.1',
    ])('believes nobody who says %s', async (header) => {
      expect(refusal(await stage.raw('GET /api/auth/me', [header]))).toBe('401 unauthenticated');
    });
  });

  describe('a connection', () => {
    it('answers requests that come at once in their order', async () => {
      const last = rawRequest(stage.url, 'GET /nothing HTTP/1.1', ['Connection: close']);
      const { hostname, port } = new URL(stage.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (part) => (text += part.toString()));
      socket.write(get('/health/live') + get('/api/auth/me') + last);
      await within(10_000, 'the end', once(socket, 'close'));
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404']);
      expect(text.indexOf('"status":"ok"')).toBeLessThan(text.indexOf('"id":"ada"'));
    });

    it('on which a stream goes on hears nothing else, and writes nothing but events', async () => {
      const id = await stage.ada.createSession();
      const { hostname, port } = new URL(stage.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (part) => (text += part.toString()));
      socket.on('error', () => socket.destroy());
      const closed = once(socket, 'close');
      socket.write(
        rawRequest(stage.url, `GET /api/agent/stream?session_id=${id} HTTP/1.1`, [bearer(stage.ada)]),
      );
      await once(socket, 'data');
      socket.write('GARBAGE\r\n\r\n');
      await within(10_000, 'the end of the stream', closed);
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
      expect(text).not.toContain('problem');
    });

    it('that hears HEAD of a stream is free for the next request', async () => {
      const id = await stage.ada.createSession();
      const head = rawRequest(stage.url, `HEAD /api/agent/stream?session_id=${id} HTTP/1.1`, [
        bearer(stage.ada),
      ]);
      const { hostname, port } = new URL(stage.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (part) => (text += part.toString()));
      socket.write(head + rawRequest(stage.url, 'GET /health/live HTTP/1.1', ['Connection: close']));
      await within(10_000, 'the second answer', once(socket, 'close'));
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    });

    it('that is refused is read to its end, so that the answer arrives', async () => {
      const lines = rawRequest(stage.url, 'GET / HTTP/1.1', [`Cookie: a=${'b'.repeat(4_000_000)}`]);
      for (let n = 0; n < 5; n += 1)
        expect(refusal(await rawHttp(stage.url, lines))).toBe('431 headers_too_large');
    });
  });

  describe('a stream', () => {
    it('is whole for who asks for a part of it, or for what is new', async () => {
      const whole = await stage.stream({});
      for (const headers of [
        { range: 'bytes=0-10' },
        { 'if-none-match': '*' },
        { 'if-modified-since': new Date().toUTCString() },
        { 'accept-encoding': 'gzip' },
      ]) {
        const again = await readSse(stage.ada.streamUrl({ session_id: stage.session }), {
          headers: { ...stage.ada.authorization, ...headers },
        });
        expect([again.status, again.headers['content-encoding'], again.events]).toEqual([
          200,
          undefined,
          whole.events,
        ]);
      }
    });

    it.each([
      '*/*',
      'text/*',
      'text/event-stream',
      'text/event-stream;q=0.1, */*;q=0.5',
      'text/html, text/event-stream',
      'text/event-stream; charset=UTF-8',
      '',
    ])('is sent to who accepts %j', async (accept) => {
      const { status } = await rawHttp(
        stage.url,
        rawRequest(stage.url, `GET /api/agent/stream?session_id=${stage.session} HTTP/1.1`, [
          bearer(stage.ada),
          `Accept: ${accept}`,
        ]),
      );
      expect(status).toBe(200);
    });
  });

  describe('an e-mail address', () => {
    it.each([
      ['of other letters that look alike', '\u0430dmin@example.com', '401 invalid_credentials'],
      ['in full-width letters', '\uff41dmin@example.com', '401 invalid_credentials'],
      ['with a zero-width blank', 'admin\u200b@example.com', '400 invalid_request'],
      ['with NUL', 'admin@example.com\u0000', '400 invalid_request'],
      ['with a blank before it', ' admin@example.com', '400 invalid_request'],
      ['with a second host', 'admin@example.com@evil.test', '400 invalid_request'],
      ['as a list', ['admin@example.com'], '400 invalid_request'],
      ['as a query of a database', { $ne: null }, '400 invalid_request'],
    ])('%s is not that of the administrator', async (_words, email, expected) => {
      const refused = await stage.post(
        '/api/auth/token',
        { email, password: 'correct horse battery staple' },
        [],
      );
      expect(refusal(refused)).toBe(expected);
    });
  });

  it('a number that JSON cannot keep is refused or kept as JSON keeps it', async () => {
    expect((await made('-0')).metadata).toEqual({ a: 0 });
    expect((await made('1e-400')).metadata).toEqual({ a: 0 });
    expect((await made('12345678901234567890')).metadata).toEqual({ a: 12_345_678_901_234_567_000 });
    expect((await made('1e400')).metadata).toBeUndefined();
  });

  it('a list of many sessions is read page by page, each session once', async () => {
    const many = await stage.user('many');
    const ids = new Set<string>();
    for (let n = 0; n < 25; n += 1) ids.add(await many.createSession());
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await many.call<{ data: { id: string }[]; next_cursor: string | null }>(
        'GET',
        `/api/agent/sessions?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...body.data.map(({ id }) => id));
      cursor = body.next_cursor ?? '';
    } while (cursor !== '');
    expect([seen.length, new Set(seen)]).toEqual([25, ids]);
    // A cursor names a place, not a session that must be one's own.
    const foreign = await stage.eve.call<{ data: unknown[] }>('GET', `/api/agent/sessions?cursor=${seen[3]}`);
    expect(JSON.stringify(foreign.body)).not.toContain(seen[4]);
  });
}
