import { describe, expect, it } from '@jest/globals';
import { rawHttp, rawRequest } from '../support/wire/raw-http.js';
import { HANDSHAKE } from '../support/wire/raw-socket.js';
import { bearer, cheap, cookie, JSON_TYPE, refusal, type Row, stage } from './stage.js';

const BAD = '400 invalid_request';
const NONE = '404 not_found';
const LARGE = '431 headers_too_large';
const METHOD = '405 method_not_allowed';
const SESSIONS = '/api/agent/sessions';

const stream = (query: string) => stage.get(`/api/agent/stream?${query}`).then(refusal);
const byId = (id: string) => stream(`session_id=${encodeURIComponent(id)}`);
const live = (...headers: string[]) => stage.raw('GET /health/live', headers).then(refusal);
/** Bytes as they are; the connection must be closed after the answer. */
const bytes = async (text: string | Buffer) => {
  const answer = await rawHttp(stage.url, text);
  expect(answer.headers['connection']).toBe('close');
  return refusal(answer);
};
const head = (line: string, ...headers: string[]) => bytes(rawRequest(stage.url, line, headers));
const create = (headers: string[], body: string) =>
  bytes(rawRequest(stage.url, `POST ${SESSIONS} HTTP/1.1`, [bearer(stage.ada), JSON_TYPE, ...headers], body));
const uuid = () => '0188b1d5-ac96-774b-bcce-b302099a8057';

const QUERIES: Row[] = [
  ['B1', 'no session_id', () => stream(''), BAD],
  ['B1', 'SESSION_ID', () => stream(`SESSION_ID=${stage.session}`), BAD],
  ['B2', 'an empty session_id', () => stream('session_id='), BAD],
  ['B2', 'a session_id without a value', () => stream('session_id'), BAD],
  ['B3', 'session_id as a list', () => stream(`session_id[]=${stage.session}`), BAD],
  [
    'B3',
    'session_id as an object with a prototype',
    () => stream(`session_id[__proto__]=${stage.session}`),
    BAD,
  ],
  ['B3', 'session_id twice', () => stream(`session_id=${stage.session}&session_id=${stage.session}`), BAD],
  ['B3', 'run_id twice', () => stream(`session_id=${stage.session}&run_id=a&run_id=b`), BAD],
  ['B3', 'parameters divided by semicolons', () => stream(`session_id=${stage.session};follow=true`), NONE],
  ['B4', 'an id of 10 KB', () => stream(`session_id=ses_${'a'.repeat(10_000)}`), BAD],
  ['B4', 'a run of 10 KB', () => stream(`session_id=${stage.session}&run_id=${'a'.repeat(10_000)}`), BAD],
  ['B4', 'a path of 10 KB', () => stage.get(`${SESSIONS}/${'a'.repeat(10_000)}`).then(refusal), NONE],
  ['B4', 'an address of 20 KB', () => head(`GET /?${'a'.repeat(20_000)} HTTP/1.1`), LARGE],
  ['B5', '%zz as id', () => stream('session_id=%zz'), BAD],
  ['B5', '%zz as path', () => stage.get(`${SESSIONS}/%zz`).then(refusal), BAD],
  ['B5', 'an overlong slash', () => stream('session_id=%c0%af'), BAD],
  ['B5', 'half a surrogate pair', () => stream('session_id=%ed%a0%80'), BAD],
  ['B5', 'a byte of Latin-1', () => stage.get(`${SESSIONS}/%ff`).then(refusal), BAD],
  ['B6', 'a path as id', () => byId('../../etc/passwd'), NONE],
  [
    'B6',
    'a path in percent codes',
    () => stage.get(`${SESSIONS}/..%2f..%2fetc%2fpasswd`).then(refusal),
    NONE,
  ],
  [
    'B6',
    'a path in percent codes of percent codes',
    () => stage.get(`${SESSIONS}/%252e%252e%252f`).then(refusal),
    NONE,
  ],
  ['B6', 'NUL as id', () => stage.get(`${SESSIONS}/%00`).then(refusal), NONE],
  ['B7', 'SQL as id', () => byId("' OR 1=1--"), NONE],
  [
    'B7',
    'SQL as run',
    () => stage.get(`/api/agent/runs/${encodeURIComponent("'; DROP TABLE runs;--")}`).then(refusal),
    NONE,
  ],
  [
    'B7',
    'SQL as cursor of a list',
    () => stage.get(`${SESSIONS}?cursor=${encodeURIComponent("' OR 1=1--")}`).then(refusal),
    BAD,
  ],
  ['B8', 'the right id in upper case', () => byId(stage.session.toUpperCase()), NONE],
  ['B8', 'the right id with its prefix in upper case', () => byId(stage.session.replace('ses', 'SES')), NONE],
  ['B8', 'the right id in braces', () => byId(`{${stage.session}}`), NONE],
  ['B8', 'the right id with a blank', () => byId(` ${stage.session}`), NONE],
  ['B8', 'the right id with NUL behind it', () => byId(`${stage.session}\0`), NONE],
  ['B8', 'the right id without its prefix', () => byId(stage.session.slice(4)), NONE],
  ['B8', 'the right id with the prefix of a run', () => byId(stage.session.replace('ses_', 'run_')), NONE],
  ['B8', 'a bare UUID', () => byId(uuid()), NONE],
  ['B8', 'a prototype as id', () => byId('__proto__'), NONE],
  ['B8', 'a constructor as id', () => stage.get(`/api/agent/runs/constructor`).then(refusal), NONE],
  ['B8', 'an emoji as id', () => byId('😀'), NONE],
  ...['0', '-1', '1e9', '101', 'NaN', '', ' 1', '0x10', '1.0', '1&limit=2', '１'].map((limit): Row => [
    'B3',
    `limit=${limit}`,
    () => stage.get(`${SESSIONS}?limit=${encodeURI(limit)}`).then(refusal),
    BAD,
  ]),
  ...['', 'x', 'run_01h455vb4pex5vsknk084sn02q', 'a&cursor=b'].map((cursor): Row => [
    'B3',
    `cursor=${cursor} of a list`,
    () => stage.get(`${SESSIONS}?cursor=${cursor}`).then(refusal),
    BAD,
  ]),
  ['B3', 'follow=1', () => stream(`session_id=${stage.session}&follow=1`), BAD],
];

const HEADERS: Row[] = [
  [
    'B9',
    'a header of 17 KB',
    () => head('GET /health/live HTTP/1.1', `X-Long: ${'a'.repeat(17_000)}`),
    LARGE,
  ],
  [
    'B9',
    'a cookie of 17 KB',
    () => head('GET /health/live HTTP/1.1', `Cookie: session=${'a'.repeat(17_000)}`),
    LARGE,
  ],
  ['B10', '3,000 headers', () => live(...Array.from({ length: 3_000 }, (_, n) => `X-${n}: 1`)), LARGE],
  ['B10', '3,000 headers of four bytes', () => live(...Array.from({ length: 3_000 }, () => 'a:')), LARGE],
  ['B10', '300 headers', () => live(...Array.from({ length: 300 }, (_, n) => `X-${n}: 1`)), LARGE],
  ['B11', 'two Host', () => head('GET /health/live HTTP/1.1', 'Host: a.test', 'Host: b.test'), BAD],
  ['B11', 'no Host', () => bytes('GET /health/live HTTP/1.1\r\n\r\n'), BAD],
  [
    'B11',
    'two Host for a socket',
    () =>
      stage
        .raw('GET /api/agent/ws', [...HANDSHAKE, bearer(stage.ada), 'Host: a.test', 'Host: b.test'])
        .then(refusal),
    BAD,
  ],
  ...[
    '',
    'a.test/path',
    'user@a.test',
    'a.test:80:80',
    'a b',
    '\xff.test',
    'a.test, b.test',
    '"a"',
    '.0.0.1',
    '1.2.3.4.5',
    'a.test:99999',
    '%61.test',
  ].map((host): Row => [
    'B11',
    `a Host that is none: ${JSON.stringify(host)}`,
    () => head('GET /health/live HTTP/1.1', `Host: ${host}`),
    BAD,
  ]),
  ...[
    'application/json',
    'text/html',
    'text/event-stream;q=0',
    '*/*;q=0',
    'garbage',
    `${'a/b,'.repeat(3_000)}c/d`,
  ].map((accept): Row => [
    'B12',
    `a stream for Accept: ${accept.slice(0, 30)}`,
    () =>
      stage
        .get(`/api/agent/stream?session_id=${stage.session}`, [bearer(stage.ada), `Accept: ${accept}`])
        .then(refusal),
    '406 not_acceptable',
  ]),
  [
    'B12',
    'POST stream for Accept: application/json',
    () =>
      stage
        .post('/api/agent/stream', { content: 'x' }, [bearer(stage.ada), 'Accept: application/json'])
        .then(refusal),
    '406 not_acceptable',
  ],
  ...['; charset=utf-7', '; charset=utf-16', '; charset=latin1', '; charset="utf-16le"', ', text/plain'].map(
    (more): Row => [
      'B13',
      `a body of application/json${more}`,
      () => stage.raw(`POST ${SESSIONS}`, [bearer(stage.ada), `${JSON_TYPE}${more}`], '{}').then(refusal),
      '415 unsupported_media_type',
    ],
  ),
  [
    'B13',
    'a body without a type',
    () => stage.raw(`POST ${SESSIONS}`, [bearer(stage.ada)], '{}').then(refusal),
    '415 unsupported_media_type',
  ],
  ['B13', 'a body of two types', () => create(['Content-Type: text/plain', 'Content-Length: 2'], '{}'), BAD],
  [
    'B13',
    'a packed body',
    () => stage.post(SESSIONS, '{}', [bearer(stage.ada), 'Content-Encoding: gzip']).then(refusal),
    '415 unsupported_media_type',
  ],
  ['B14', 'Expect: 200-maybe', () => live('Expect: 200-maybe'), '417 expectation_failed'],
  [
    'B14',
    'a body far too large, asked for with Expect: 100-continue',
    () => create(['Expect: 100-continue', 'Content-Length: 999999999'], ''),
    '413 payload_too_large',
  ],
  [
    'B15',
    '10 MB of cookies',
    () => head('GET /health/live HTTP/1.1', `Cookie: a=${'b'.repeat(10_000_000)}`),
    LARGE,
  ],
  [
    'B15',
    '200 cookies in one header',
    () => live(cookie(Array.from({ length: 200 }, (_, n) => `c${n}=1`).join('; '))),
    LARGE,
  ],
  [
    'B15',
    '200 cookies in 200 headers',
    () => live(...Array.from({ length: 200 }, (_, n) => cookie(`c${n}=1`))),
    LARGE,
  ],
  ...['', 'k'.repeat(256), 'schlüssel', 'a\tb', 'k'.repeat(300)].map((key): Row => [
    'B16',
    `an Idempotency-Key of ${key.length} characters: ${JSON.stringify(key.slice(0, 9))}`,
    () =>
      stage
        .post(`${SESSIONS}/${stage.session}/messages`, { content: 'x' }, [
          bearer(stage.ada),
          `Idempotency-Key: ${key}`,
        ])
        .then(refusal),
    BAD,
  ]),
  [
    'B16',
    'two Idempotency-Keys',
    () =>
      stage
        .post(`${SESSIONS}/${stage.session}/messages`, { content: 'x' }, [
          bearer(stage.ada),
          'Idempotency-Key: a',
          'Idempotency-Key: a',
        ])
        .then(refusal),
    BAD,
  ],
];

const LINES: Row[] = [
  ['B17', 'HTTP/0.9', () => bytes('GET /health/live\r\n\r\n'), BAD],
  ['B17', 'HTTP/1.2', () => head('GET /health/live HTTP/1.2'), BAD],
  ['B17', 'HTTP/2.0', () => head('GET /health/live HTTP/2.0'), BAD],
  ['B17', 'the preface of HTTP/2', () => bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), BAD],
  ['B17', 'TLS', () => bytes(Buffer.from([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3])), BAD],
  ['B17', 'TRACE', () => head('TRACE / HTTP/1.1'), METHOD],
  ['B17', 'CONNECT to another host', () => head('CONNECT evil.test:443 HTTP/1.1'), METHOD],
  ['B17', 'CONNECT to a path', () => head('CONNECT /api HTTP/1.1'), METHOD],
  ['B17', 'an absolute address of our own', () => head(`GET ${stage.url}/health/live HTTP/1.1`), BAD],
  [
    'B17',
    'an absolute address of another host',
    () => head('GET http://evil.test/health/live HTTP/1.1'),
    BAD,
  ],
  [
    'B17',
    'an absolute address for a socket',
    () => head(`GET ${stage.url}/api/agent/ws HTTP/1.1`, ...HANDSHAKE),
    BAD,
  ],
  ['B17', 'OPTIONS *', () => head('OPTIONS * HTTP/1.1'), BAD],
  ['B17', 'an address with a fragment', () => head('GET /health/live#x HTTP/1.1'), BAD],
  ['B17', 'a method that nobody knows', () => head('FOO / HTTP/1.1'), BAD],
  ['B17', 'a method in lower case', () => head('get / HTTP/1.1'), BAD],
  ['B17', 'NUL in the address', () => head('GET /health/live\0 HTTP/1.1'), BAD],
  ['B17', 'a blank in the address', () => head('GET /health/ live HTTP/1.1'), BAD],
  [
    'B17',
    'a high byte in the address',
    () => bytes(Buffer.from('GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1')),
    BAD,
  ],
  ['B17', 'a folded header', () => head('GET /health/live HTTP/1.1', 'X-A: b', ' c'), BAD],
  ['B17', 'a header without a colon', () => head('GET /health/live HTTP/1.1', 'X-A'), BAD],
  ['B17', 'a blank before a colon', () => head('GET /health/live HTTP/1.1', 'X-A : b'), BAD],
  ['B17', 'NUL in a header', () => head('GET /health/live HTTP/1.1', 'X-A: a\0b'), BAD],
  ['B17', 'a bare CR in a header', () => head('GET /health/live HTTP/1.1', 'X-A: a\rB: c'), BAD],
  ['B17', 'a bare LF in a header', () => head('GET /health/live HTTP/1.1', 'X-A: a\nB: c'), BAD],
  [
    'B46',
    'a socket by POST',
    () =>
      stage.raw('POST /api/agent/ws', [...HANDSHAKE, bearer(stage.ada), 'Content-Length: 0']).then(refusal),
    METHOD,
  ],
  [
    'B46',
    'a socket by PUT of nobody',
    () => stage.raw('PUT /api/agent/ws', [...HANDSHAKE, 'Content-Length: 0']).then(refusal),
    METHOD,
  ],
  [
    'B45',
    'a bad Sec-WebSocket-Key',
    () =>
      stage
        .raw('GET /api/agent/ws', [...HANDSHAKE.slice(0, 3), bearer(stage.ada), 'Sec-WebSocket-Key: x'])
        .then(refusal),
    BAD,
  ],
  [
    'B45',
    'no Sec-WebSocket-Key',
    () => stage.raw('GET /api/agent/ws', [...HANDSHAKE.slice(0, 3), bearer(stage.ada)]).then(refusal),
    BAD,
  ],
  [
    'B45',
    'two Sec-WebSocket-Keys',
    () => stage.raw('GET /api/agent/ws', [...HANDSHAKE, HANDSHAKE[3]!, bearer(stage.ada)]).then(refusal),
    BAD,
  ],
  [
    'B45',
    'Sec-WebSocket-Version 8',
    () =>
      stage
        .raw('GET /api/agent/ws', [
          ...HANDSHAKE.slice(0, 2),
          HANDSHAKE[3]!,
          'Sec-WebSocket-Version: 8',
          bearer(stage.ada),
        ])
        .then(refusal),
    BAD,
  ],
  ['B45', 'a socket by HTTP/1.0', () => head('GET /api/agent/ws HTTP/1.0', ...HANDSHAKE), BAD],
  [
    'B45',
    'a socket on another path',
    () => stage.raw('GET /api/agent/wsx', [...HANDSHAKE, bearer(stage.ada)]).then(refusal),
    NONE,
  ],
  ['S46', 'TRACE of a route', () => head(`TRACE ${SESSIONS} HTTP/1.1`, bearer(stage.ada)), METHOD],
  ['S46', 'TRACE for a socket', () => head('TRACE /api/agent/ws HTTP/1.1', ...HANDSHAKE), METHOD],
  ...['PUT', 'PROPFIND', 'LOCK'].map((method): Row => [
    'S46',
    `${method} of a route that has none`,
    () => stage.raw(`${method} ${SESSIONS}/x/y`, [bearer(stage.ada), 'Content-Length: 0']).then(refusal),
    NONE,
  ]),
];

const CHUNKED = ['Transfer-Encoding: chunked'];
const FRAMING: Row[] = [
  ['S51', 'a length and chunks', () => create(['Content-Length: 2', ...CHUNKED], '0\r\n\r\n'), BAD],
  ['S51', 'chunks and a length', () => create([...CHUNKED, 'Content-Length: 2'], '0\r\n\r\n'), BAD],
  ['S51', 'two lengths', () => create(['Content-Length: 2', 'Content-Length: 3'], '{}'), BAD],
  ['S51', 'the same length twice', () => create(['Content-Length: 2', 'Content-Length: 2'], '{}'), BAD],
  ['S51', 'a list of lengths', () => create(['Content-Length: 2, 2'], '{}'), BAD],
  ...['+2', '-1', '0x2', '2.0', '99999999999999999999999', ''].map((length): Row => [
    'S51',
    `a length of ${JSON.stringify(length)}`,
    () => create([`Content-Length: ${length}`], '{}'),
    BAD,
  ]),
  [
    'S51',
    'chunks of chunks',
    () => create(['Transfer-Encoding: chunked, chunked'], '2\r\n{}\r\n0\r\n\r\n'),
    BAD,
  ],
  ['S51', 'chunks said twice', () => create([...CHUNKED, ...CHUNKED], '2\r\n{}\r\n0\r\n\r\n'), BAD],
  [
    'S51',
    'chunks that are not the last coding',
    () => create(['Transfer-Encoding: chunked, gzip'], '2\r\n{}\r\n0\r\n\r\n'),
    BAD,
  ],
  [
    'S51',
    'chunks with a blank before the colon',
    () => create(['Transfer-Encoding : chunked'], '2\r\n{}\r\n0\r\n\r\n'),
    BAD,
  ],
  [
    'S51',
    'chunks behind a control character',
    () => create(['Transfer-Encoding: \x0bchunked'], '2\r\n{}\r\n0\r\n\r\n'),
    BAD,
  ],
  ...['gzip, chunked', 'xchunked', 'identity', 'chunked;a=b'].map((coding): Row => [
    'S51',
    `the coding ${coding}`,
    () => create([`Transfer-Encoding: ${coding}`], '2\r\n{}\r\n0\r\n\r\n'),
    '501 not_implemented',
  ]),
  [
    'S51',
    'chunks in HTTP/1.0',
    () =>
      bytes(
        rawRequest(
          stage.url,
          `POST ${SESSIONS} HTTP/1.0`,
          [bearer(stage.ada), JSON_TYPE, ...CHUNKED],
          '2\r\n{}\r\n0\r\n\r\n',
        ),
      ),
    BAD,
  ],
  ...[
    'zz\r\n{}\r\n',
    '0x2\r\n{}\r\n',
    '2\n{}\n',
    '-2\r\n{}\r\n',
    'fffffffffffffffff\r\n{}\r\n',
    '2\r\n{}0\r\n',
    ' 2\r\n{}\r\n',
  ].map((chunk): Row => [
    'S51',
    `a chunk like ${JSON.stringify(chunk)}`,
    () => create(CHUNKED, `${chunk}0\r\n\r\n`),
    BAD,
  ]),
  [
    'S51',
    'a chunk with 20 KB of extensions',
    () => create(CHUNKED, `2;a=${'b'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`),
    '413 payload_too_large',
  ],
];

/** Requests that are odd but right. */
const TAKEN: Row<number>[] = [
  [
    'S51',
    'chunks in capital letters',
    () => chunks('Transfer-Encoding: CHUNKED', '2\r\n{}\r\n0\r\n\r\n'),
    201,
  ],
  [
    'S51',
    'a chunk with an extension',
    () => chunks('Transfer-Encoding: chunked', '2;a=b\r\n{}\r\n0\r\n\r\n'),
    201,
  ],
  [
    'S51',
    'chunks with a trailer',
    () => chunks('Transfer-Encoding: chunked', '2\r\n{}\r\n0\r\nX-A: b\r\n\r\n'),
    201,
  ],
  [
    'B17',
    'HTTP/1.0 without a Host, as a load balancer asks',
    () => rawHttp(stage.url, 'GET /health/live HTTP/1.0\r\n\r\n').then(({ status }) => status),
    200,
  ],
  [
    'B17',
    'an offer of h2c',
    () =>
      stage
        .raw('GET /health/live', [
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
        ])
        .then(({ status }) => status),
    200,
  ],
  [
    'B11',
    'the host of a proxy',
    () => stage.raw('GET /health/live', ['Host: my_service-1.example.com:8443']).then(({ status }) => status),
    200,
  ],
  [
    'B11',
    'a host in brackets',
    () => stage.raw('GET /health/live', ['Host: [::1]:3000']).then(({ status }) => status),
    200,
  ],
  [
    'B15',
    '180 cookies, as browsers keep',
    () =>
      stage
        .raw('GET /health/live', [cookie(Array.from({ length: 180 }, (_, n) => `c${n}=1`).join('; '))])
        .then(({ status }) => status),
    200,
  ],
  [
    'S46',
    'X-HTTP-Method-Override',
    () =>
      stage
        .get(`${SESSIONS}/${stage.session}`, [bearer(stage.ada), 'X-HTTP-Method-Override: DELETE'])
        .then(({ status }) => status),
    200,
  ],
  [
    'S46',
    'a method in the query',
    () => stage.get(`${SESSIONS}/${stage.session}?_method=DELETE`).then(({ status }) => status),
    200,
  ],
  [
    'B14',
    'Expect: 100-continue',
    () =>
      stage.post(SESSIONS, '{}', [bearer(stage.ada), 'Expect: 100-continue']).then(({ status }) => status),
    100,
  ],
];

const chunks = (coding: string, body: string) =>
  rawHttp(
    stage.url,
    rawRequest(stage.url, `POST ${SESSIONS} HTTP/1.1`, [bearer(stage.ada), JSON_TYPE, coding], body),
  ).then(({ status }) => status);

export function requests(): void {
  describe('a request', () => {
    it.each(QUERIES)('%s with %s is refused', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it.each(HEADERS)('%s with %s is refused', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it.each(LINES)('%s like %s is refused', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it.each(FRAMING)(
      '%s with %s is refused, and nothing behind it is heard',
      async (_row, _words, ask, expected) => {
        expect(await cheap(ask)).toBe(expected);
      },
    );

    it('S51 that is hidden in the body of a refused one is never answered', async () => {
      const hidden = `GET ${SESSIONS}/smuggled HTTP/1.1\r\nHost: a\r\n\r\n`;
      for (const framing of [
        ['Content-Length: 6', 'Transfer-Encoding: chunked'],
        ['Transfer-Encoding: xchunked'],
        ['Content-Length: 5', `Content-Length: ${hidden.length}`],
      ]) {
        const line = rawRequest(
          stage.url,
          `POST ${SESSIONS} HTTP/1.1`,
          [JSON_TYPE, ...framing],
          `0\r\n\r\n${hidden}`,
        );
        const { body, closed, headers } = await rawHttp(stage.url, line);
        expect([body.match(/HTTP\/1\.1 \d/g), closed || headers['connection'] === 'close']).toEqual([
          null,
          true,
        ]);
      }
    });

    it.each(['/', '/health/live', '/api/auth/me', '/api/openapi.json', '/nothing', '/%zz'])(
      'S48 of %s is answered with what keeps browsers from trusting too much',
      async (path) => {
        const { headers } = await stage.get(path);
        expect(headers).toMatchObject({
          'strict-transport-security': 'max-age=31536000; includeSubDomains',
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'SAMEORIGIN',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
        });
        expect([headers['x-powered-by'], headers['server']]).toEqual([undefined, undefined]);
      },
    );

    it.each(TAKEN)('%s with %s is taken', async (_row, _words, ask, expected) => {
      expect(await ask()).toBe(expected);
    });
  });
}
