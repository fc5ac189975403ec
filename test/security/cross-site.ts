import { describe, expect, it } from '@jest/globals';
import { readSse } from '../support/sse-client.js';
import { rawHttp, rawRequest } from '../support/wire/raw-http.js';
import { HANDSHAKE, RawSocket } from '../support/wire/raw-socket.js';
import { bearer, cheap, cookie, JSON_TYPE, ORIGIN, OURS, refusal, type Row, stage } from './stage.js';

const STREAM = '/api/agent/stream';
const admin = () => cookie(stage.admin.cookie);

/** A handshake with the cookie, from a page of this origin. */
async function upgrade(...headers: string[]): Promise<string> {
  return refusal(await stage.raw('GET /api/agent/ws', [...HANDSHAKE, ...headers]));
}

async function watch(...headers: string[]): Promise<string> {
  const id = await own();
  return refusal(await stage.raw(`GET ${STREAM}?session_id=${id}`, [admin(), ...headers]));
}

async function own(): Promise<string> {
  return stage.admin.api.createSession();
}

async function preflight(method: string, path: string, origin: string): Promise<[number, ...unknown[]]> {
  const { status, headers } = await stage.raw(`OPTIONS ${path}`, [
    `Origin: ${origin}`,
    `Access-Control-Request-Method: ${method}`,
    'Access-Control-Request-Headers: content-type, authorization',
  ]);
  return [
    Math.floor(status / 100),
    headers['access-control-allow-origin'],
    headers['access-control-allow-credentials'],
  ];
}

const SOCKETS: Row[] = [
  [
    'S1',
    'a socket by cookie from another site',
    () => upgrade(admin(), 'Origin: https://evil.test'),
    '403 cross_site',
  ],
  [
    'S2',
    'a socket by cookie from a page without an origin',
    () => upgrade(admin(), 'Origin: null'),
    '403 cross_site',
  ],
  [
    'S3',
    'a socket by cookie from the same host by http, where https is allowed',
    () => upgrade(admin(), 'Origin: http://app.example.com'),
    '403 cross_site',
  ],
  [
    'S4',
    'a socket by cookie from a sibling host',
    () => upgrade(admin(), 'Origin: https://x.example.com'),
    '403 cross_site',
  ],
  ['S4', 'a socket by cookie from nobody knows where', () => upgrade(admin()), '403 cross_site'],
  ...[
    'https://app.example.com.',
    'https://app.example.com:443',
    'https://APP.example.com',
    'https://user@app.example.com',
    'https://app.example.com/',
    'https://app.example.com, https://evil.test',
    'https://app.example.com.evil.test',
    'app.example.com',
    'file://',
    'https://app.example.com%00.evil.test',
  ].map((origin): Row => [
    'S4',
    `a socket by cookie whose Origin only looks like ours: ${origin}`,
    () => upgrade(admin(), `Origin: ${origin}`),
    '403 cross_site',
  ]),
  [
    'S4',
    'a socket by cookie with two Origins',
    () => upgrade(admin(), `Origin: ${ORIGIN}`, 'Origin: https://evil.test'),
    '403 cross_site',
  ],
];

const STREAMS: Row[] = [
  ...['cross-site', 'same-site', 'same-origin, cross-site', 'none, cross-site', 'SAME-ORIGIN', ''].map(
    (site): Row => [
      'S5',
      `a stream by cookie with Sec-Fetch-Site ${JSON.stringify(site)}`,
      () => watch(`Sec-Fetch-Site: ${site}`),
      '403 cross_site',
    ],
  ),
  ...['https://evil.test', 'null', 'http://app.example.com', 'https://app.example.com:443'].map(
    (origin): Row => [
      'S5',
      `a stream by cookie from the origin ${origin}`,
      () => watch(`Origin: ${origin}`),
      '403 cross_site',
    ],
  ),
  [
    'S5',
    'a stream by cookie that says same-origin, from another origin',
    () => watch(...OURS, 'Origin: https://evil.test'),
    '403 cross_site',
  ],
];

const CHANGES: Row[] = [
  ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'].flatMap(
    (type): Row[] =>
      [STREAM, `/api/agent/sessions/SESSION/messages`].map((path) => [
        'S7',
        `POST ${path} by cookie with ${type}, as a form can send`,
        () =>
          stage
            .raw(
              `POST ${path.replace('SESSION', stage.session)}`,
              [admin(), 'Origin: https://evil.test', `Content-Type: ${type}`],
              '{"content":"x"}',
            )
            .then(refusal),
        '415 unsupported_media_type',
      ]),
  ),
  ...['https://evil.test', 'null', 'https://app.example.com.evil.test'].map((origin): Row => [
    'S8',
    `POST stream by cookie from ${origin}`,
    () => stage.post(STREAM, { content: 'x' }, [admin(), `Origin: ${origin}`]).then(refusal),
    '403 cross_site',
  ]),
  [
    'S8',
    'POST stream by cookie from nobody knows where',
    () => stage.post(STREAM, { content: 'x' }, [admin()]).then(refusal),
    '403 cross_site',
  ],
  [
    'S8',
    'DELETE of a session by cookie from another site',
    () =>
      stage
        .raw(`DELETE /api/agent/sessions/${stage.session}`, [admin(), 'Origin: https://evil.test'])
        .then(refusal),
    '403 cross_site',
  ],
  [
    'S8',
    'a login from another site, which would make the visitor somebody else',
    () =>
      stage
        .post('/api/auth/login', { email: 'eve@example.com', password: 'x' }, ['Origin: https://evil.test'])
        .then(refusal),
    '403 cross_site',
  ],
];

export function crossSite(): void {
  describe('from another site', () => {
    it.each(SOCKETS)('%s %s is refused before the upgrade', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it('S4 a socket by cookie from our origin is one', async () => {
      const socket = await RawSocket.open(stage.url, [admin(), `Origin: ${ORIGIN}`]);
      socket.socket.destroy();
    });

    it.each(STREAMS)('%s %s shows no event', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it('S6 a stream by cookie, as a browser asks for it, shows its events', async () => {
      const id = await own();
      const run = await stage.admin.api.post(id, 'hello');
      await stage.admin.api.settled(run.id);
      const headers = { cookie: stage.admin.cookie, 'sec-fetch-site': 'same-origin' };
      const { status, events } = await readSse(`${stage.url}${STREAM}?session_id=${id}`, { headers });
      expect([status, events[0]?.id, events.at(-1)?.event]).toEqual([200, `${run.id}.1.1`, 'done']);
    });

    it.each(CHANGES)('%s %s starts nothing', async (_row, _words, ask, expected) => {
      const before = (await stage.admin.api.call('GET', '/api/agent/sessions?limit=100')).text;
      expect(await cheap(ask)).toBe(expected);
      expect((await stage.admin.api.call('GET', '/api/agent/sessions?limit=100')).text).toBe(before);
    });

    it('S8 our own page may change something, whatever other pages may; none may that only says it is ours', async () => {
      const change = (...headers: string[]) =>
        stage.raw('POST /api/agent/sessions', [admin(), JSON_TYPE, ...headers], '{}');
      expect((await change(`Origin: ${stage.url}`)).status).toBe(201);
      expect((await change(`Origin: ${stage.url}`, ...OURS)).status).toBe(201);
      expect(refusal(await change('Origin: https://evil.test', ...OURS))).toBe('403 cross_site');
      expect(await upgrade(admin(), `Origin: ${stage.url}`)).toBe('403 cross_site');
      expect(await watch(`Origin: ${stage.url}`)).toBe('403 cross_site');
    });

    it.each([
      ['POST', STREAM],
      ['POST', '/api/agent/sessions'],
      ['PATCH', '/api/agent/sessions/x'],
      ['GET', '/health/live'],
      ['DELETE', '/nothing'],
    ])('S9 is not allowed by the preflight of %s %s', async (method, path) => {
      for (const origin of ['https://evil.test', 'null', 'http://app.example.com']) {
        const [, allowed] = await preflight(method, path, origin);
        expect(allowed).toBeUndefined();
      }
      expect(await preflight(method, path, ORIGIN)).toEqual([2, ORIGIN, 'true']);
    });

    it('S9 an answer is for no other origin to read, and never for all with credentials', async () => {
      for (const origin of ['https://evil.test', 'null', ORIGIN]) {
        const line = rawRequest(stage.url, 'GET /api/auth/me HTTP/1.1', [
          bearer(stage.ada),
          `Origin: ${origin}`,
        ]);
        const { headers } = await rawHttp(stage.url, line);
        expect(headers['access-control-allow-origin']).toBe(origin === ORIGIN ? ORIGIN : undefined);
        expect(headers['vary']).toContain('Origin');
      }
    });

    it('S7 JSON by cookie from our page is taken', async () => {
      const answer = await stage.raw(
        'POST /api/agent/sessions',
        [admin(), `Origin: ${ORIGIN}`, JSON_TYPE],
        '{}',
      );
      expect(answer.status).toBe(201);
    });
  });
}
