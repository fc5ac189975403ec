import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import express, { type Request } from 'express';
import * as fc from 'fast-check';
import { socketRequests } from '../../src/agent/requests.js';
import { content } from '../../src/agent/content.js';
import * as agentRequests from '../../src/agent/requests.js';
import type { AgentSocket } from '../../src/agent/socket/agent-socket.js';
import { SocketInbox } from '../../src/agent/socket/socket-inbox.js';
import { ViewPlanner } from '../../src/agent/follow/view-planner.js';
import { isKeyText, KEYS_IN_TEXT, newKeyText } from '../../src/auth/api-key/key-text.js';
import { bearerToken } from '../../src/auth/jwt/bearer-token.js';
import { AccessTokenVerifier } from '../../src/auth/jwt/access-token-verifier.js';
import { OriginPolicy } from '../../src/auth/origin/origin-policy.js';
import { SessionMiddleware } from '../../src/auth/session/session.middleware.js';
import { Tickets } from '../../src/auth/ticket/tickets.service.js';
import { emailAddress } from '../../src/auth/user.js';
import { parseBodies } from '../../src/body-parsers.js';
import { isId } from '../../src/database/ids.js';
import { AppError } from '../../src/errors/app-error.js';
import { invalidRequest } from '../../src/errors/invalid-request.js';
import { formatEventId, parseEventId } from '../../src/event-log/event-id.js';
import type { EventLog } from '../../src/event-log/event-log.js';
import { shapeFault } from '../../src/json-shape.js';
import { WireDecoder } from '../../src/model/anthropic/wire-decoder.js';
import { refuseOddRequests } from '../../src/request-hygiene.js';
import * as sessionRequests from '../../src/sessions/requests.js';
import { redactUrl } from '../../src/telemetry/redact-url.js';
import { readDefinitions } from '../../src/tools/mcp/tool-definition.js';
import type { ToolServer } from '../../src/tools/mcp/tool-servers.js';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { bearerOf } from '../support/api.js';
import { TEST_ENV } from '../support/test-env.js';

/** `FUZZ_SEED` repeats a run; `npm run test:faults` takes ten times as many cases. */
const seed = Number(process.env['FUZZ_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 1_000);
process.stdout.write(`parsers: ${numRuns} cases each, FUZZ_SEED=${seed}\n`);

const RUN = 'run_01h455vb4pex5vsknk084sn02q';
const SES = 'ses_01h455vb4pex5vsknk084sn02q';

function holds<T>(cases: fc.Arbitrary<T>, property: (value: T) => boolean | void): void {
  fc.assert(fc.property(cases, property), { seed, numRuns });
}

function eventually<T>(
  cases: fc.Arbitrary<T>,
  property: (value: T) => Promise<boolean | void>,
): Promise<void> {
  return fc.assert(fc.asyncProperty(cases, property), { seed, numRuns });
}

const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
const ODD = ['', '.', ',', ' ', '0', '\0', '\r\n', '"', '%', '\\', '\ud800', '１', ';', '=', '-', '+', 'A'];

/** Texts that are almost right: a right one in which something is missing, twice or something else. */
function near(...right: string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...right), fc.nat(200), fc.nat(3), fc.constantFrom(...ODD))
    .map(([text, place, length, odd]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + odd + text.slice(at + length);
    });
}

/** Any JSON, of objects that have names of ours. */
const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(
      null,
      true,
      0,
      -1,
      1.5,
      'text',
      'base64',
      'image',
      'document',
      'url',
      '',
      'a',
      '\0',
      '\ud800',
      'queue',
      SES,
      'image/png',
      'iVBORw0KGgo=',
      'https://a.test/',
    ),
    anyText,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom(
        'type',
        'text',
        'source',
        'media_type',
        'data',
        'url',
        'content',
        'session_id',
        'title',
        'metadata',
        'event',
        'ref',
        'constructor',
        'toString',
        'x',
      ),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

describe('a cursor', () => {
  it('that is read is written as it was read, and nothing else is read', () => {
    holds(fc.oneof(anyText, near(`${RUN}.1.1`, `${RUN}.12.345`, `${RUN}.2147483647.1`)), (text) => {
      const place = parseEventId(text);
      expect(place === undefined || formatEventId(place) === text).toBe(true);
    });
    holds(
      fc.tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 2 ** 31 - 1 })),
      ([attempt, seq]) => {
        expect(parseEventId(`${RUN}.${attempt}.${seq}`)).toEqual({ runId: RUN, attempt, seq });
      },
    );
  });

  it('is honoured where the log has it, and answered with reset everywhere else', async () => {
    const log = {
      has: async (run: string, attempt: number, seq: number) => run === RUN && attempt === 1 && seq <= 5,
      isDone: async () => false,
    };
    const run = { id: RUN, number: 1 };
    const runs = {
      find: async (id: string) => (id === RUN ? run : undefined),
      latest: async () => run,
      firstOpen: async () => run,
    };
    const planner = new ViewPlanner(log as unknown as EventLog, runs as never);
    const known = new Set(['1', '2', '3', '4', '5'].map((seq) => `${RUN}.1.${seq}`));
    await eventually(fc.oneof(anyText, near(...known)), async (cursor) => {
      const plan = await planner.plan({ sessionId: SES, cursor, follow: false }, undefined);
      expect(plan?.isReset).toBe(cursor !== '' && !known.has(cursor));
      expect(plan?.afterSeq).toBe(known.has(cursor) ? Number(cursor.at(-1)) : 0);
    });
  });
});

const bytesOf = (text: string) => Buffer.from(text, 'base64url').toString('hex');

/** A request with a cookie, as the middleware of sessions sees it. */
function withCookie(cookie: string): Request {
  const request = Object.create(express.request) as Request;
  return Object.assign(request, {
    headers: { cookie },
    url: '/',
    originalUrl: '/',
    method: 'GET',
    socket: {},
    app: express(),
  });
}

describe('a credential', () => {
  it('in a cookie is looked up only when it is signed', async () => {
    const asked: string[] = [];
    const logins = {
      use: async (id: string) => void asked.push(id),
      insert: async () => {},
      delete: async () => {},
    };
    const secret = 'a secret of this test only, long enough';
    const config = { sessionSecret: secret, sessionSecrets: [secret] };
    const sessions = new SessionMiddleware(config as never, logins as never);
    await eventually(
      fc.oneof(
        anyText,
        near('session=s%3Aabc.def', 'session=s%3A; session=s%3Aa.b', '__Host-session=x; session=j%3A%7B%7D'),
      ),
      async (cookie) => sessions.read(withCookie(cookie)),
    );
    expect(asked).toEqual([]);
  });

  it('in a header is one word of it, or refused', () => {
    const header = fc.oneof(anyText, near('Bearer abc.def.ghi', 'bearer  x', 'Basic abc'));
    const protocol = fc.option(fc.oneof(anyText, near('agent.v1, bearer.abc', 'bearer.a, bearer.b')), {
      nil: undefined,
    });
    holds(fc.tuple(header, protocol), ([authorization, offered]) => {
      const headers = { authorization, ...(offered !== undefined && { 'sec-websocket-protocol': offered }) };
      const found = refusedOr(() =>
        bearerToken({ headers, rawHeaders: ['Authorization', authorization] } as unknown as IncomingMessage),
      );
      if (typeof found === 'string') expect(`${authorization} ${offered}`.includes(found)).toBe(true);
    });
  });

  it('that is almost a token is none', async () => {
    const token = await bearerOf('ada');
    const verifier = new AccessTokenVerifier({ secret: TEST_ENV.JWT_SECRET });
    expect((await verifier.verify(token)).sub).toBe('ada');
    const signedPart = token.slice(0, token.lastIndexOf('.'));
    await eventually(
      fc.oneof(anyText, near(token, `${token.split('.').slice(0, 2).join('.')}.`)),
      async (text) => {
        const answer = await verifier.verify(text).then(
          ({ sub }) => sub,
          (error: unknown) => (error instanceof AppError ? error.code : error),
        );
        // The last character of 43 has two bits that say nothing.
        const [head, payload, signature] = text.split('.').length === 3 ? text.split('.') : [];
        const isSame =
          `${head}.${payload}` === signedPart &&
          /^[\w-]+$/.test(signature!) &&
          bytesOf(signature!) === bytesOf(token.split('.')[2]!);
        expect(answer).toBe(isSame ? 'ada' : 'unauthenticated');
      },
    );
  });

  it('that is almost a key is none, and in any text a key is found', () => {
    const keys = Array.from({ length: 8 }, newKeyText);
    holds(fc.oneof(anyText, near(...keys)), (text) => {
      if (!keys.includes(text)) expect(isKeyText(text)).toBe(false);
    });
    holds(fc.tuple(anyText, fc.constantFrom(...keys), anyText), ([before, key, after]) => {
      expect(`${before} ${key} ${after}`.replaceAll(KEYS_IN_TEXT, '')).not.toContain(key);
    });
  });

  it('that is no ticket in form is not looked up', async () => {
    const asked: string[] = [];
    const tickets = new Tickets(
      { take: async (hash: string) => void asked.push(hash) } as never,
      {} as never,
    );
    const ticket = 'A'.repeat(43);
    await eventually(fc.oneof(anyText, near(ticket)), async (text) => {
      asked.length = 0;
      expect(await tickets.redeem(text, null)).toBeUndefined();
      expect(asked.length).toBe(/^[\w-]{43}$/.test(text) && text.length === 43 ? 1 : 0);
    });
  });

  it('of an e-mail address is in one form', () => {
    holds(fc.oneof(anyText, near('Ada@Example.com', 'a@b'), fc.emailAddress()), (text) => {
      const read = emailAddress.safeParse(text);
      if (!read.success) return;
      expect([read.data, /[\s\p{C}]/u.test(read.data), read.data.split('@').length]).toEqual([
        emailAddress.parse(read.data),
        false,
        2,
      ]);
    });
  });

  it('in an address never stands in a log', () => {
    const secret = 'a-secret-of-twenty-and-more-characters';
    const name = fc.constantFrom(
      'ticket',
      'TICKET',
      '%74icket',
      'ticket[]',
      'access_token',
      'token',
      'x',
      'code',
      'session',
    );
    holds(fc.tuple(fc.webPath(), fc.webQueryParameters(), name), ([path, query, parameter]) => {
      expect(redactUrl(`${path}?${query}&${parameter}=${secret}&follow=true`)).not.toContain(secret);
    });
  });
});

describe('where somebody comes from', () => {
  it('is believed of an Origin that is listed to the letter', () => {
    const own = 'https://app.example.com';
    const policy = new OriginPolicy([own]);
    holds(fc.oneof(anyText, near(own), fc.webUrl()), (origin) => {
      expect(policy.isAllowed(origin, { protocol: 'https', headers: {} })).toBe(origin === own);
    });
  });

  it('is the address of the connection, whatever X-Forwarded-For says', () => {
    const ways = [undefined, '10.0.0.0/8'].map((trusted) => {
      const app = express();
      if (trusted !== undefined) app.set('trust proxy', trusted);
      return app;
    });
    const said = fc.oneof(anyText, near('203.0.113.7, 10.0.0.1', '::1', 'unknown', '"[2001:db8::1]:80"'));
    holds(fc.tuple(said, said, fc.nat(1)), ([forwarded, protocol, way]) => {
      const app = ways[way]!;
      const request = Object.assign(Object.create(app.request) as Request, {
        app,
        headers: {
          'x-forwarded-for': forwarded,
          'x-forwarded-proto': protocol,
          'x-forwarded-host': forwarded,
        },
        socket: { remoteAddress: '192.0.2.1' },
        connection: { remoteAddress: '192.0.2.1' },
      });
      expect([request.ip, request.protocol, request.secure]).toEqual(['192.0.2.1', 'http', false]);
    });
  });
});

describe('a request', () => {
  /** What the application puts before everything else, without a server. */
  const handlers: ((request: object, response: object, next: (error?: unknown) => void) => void)[] = [];
  const app = {
    use: (...given: unknown[]) =>
      void handlers.push(...(given.filter((each) => typeof each === 'function') as typeof handlers)),
    getHttpServer: () => new EventEmitter(),
  } as unknown as NestExpressApplication;
  refuseOddRequests(app);
  parseBodies(app, { authenticateFirst: () => Promise.reject(new Error('not asked here')) });
  const [hygiene, requireJson] = handlers;
  const problemOf = (handler: (typeof handlers)[number] | undefined, request: object) => {
    let problem: unknown;
    handler!(request, { setHeader() {} }, (error) => (problem = error));
    if (problem !== undefined) expect(problem).toBeInstanceOf(AppError);
    return problem as AppError | undefined;
  };

  it('that is let through has a path that can be read, one host and a body whose end is known', () => {
    const header = fc.tuple(
      fc.constantFrom('Host', 'host', 'Cookie', 'Authorization', 'Transfer-Encoding', 'Expect', 'X'),
      fc.oneof(
        fc.constantFrom('a.test', 'chunked', '100-continue'),
        near('a.test:80', '127.0.0.1', '[::1]:80', 'chunked'),
        anyText,
      ),
    );
    holds(
      fc.tuple(
        fc.oneof(anyText, near('/api/agent/stream?session_id=%20', '/')),
        fc.array(header, { maxLength: 4 }),
      ),
      ([url, list]) => {
        const headers = Object.fromEntries(
          list.toReversed().map(([name, value]) => [name.toLowerCase(), value]),
        );
        const request = { method: 'GET', url, httpVersion: '1.1', headers, rawHeaders: list.flat() };
        if (problemOf(hygiene, request) !== undefined) return;
        expect([url[0], url.includes('#')]).toEqual(['/', false]);
        expect(() => decodeURIComponent(url)).not.toThrow();
        expect(list.filter(([name]) => name.toLowerCase() === 'host')).toHaveLength(1);
        expect(new URL(`http://${headers['host']}/`).username).toBe('');
        expect(headers['transfer-encoding']?.toLowerCase() ?? 'chunked').toBe('chunked');
      },
    );
  });

  it('with a body that is let through says application/json', () => {
    const type = fc.oneof(
      anyText,
      near(
        'application/json; charset=utf-8',
        'text/plain',
        'multipart/form-data; boundary=x',
        'application/json, text/plain',
      ),
    );
    holds(type, (said) => {
      const request = Object.assign(Object.create(express.request) as object, {
        headers: { 'content-type': said, 'content-length': '2' },
      });
      if (problemOf(requireJson, request) === undefined)
        expect(said.trim().toLowerCase()).toMatch(/^application\/json\s*(;|$)/);
    });
  });

  it('has a body of which the shape is known without reading it', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    holds(fc.tuple(fc.jsonValue({ maxDepth: 6 }), fc.nat(70)), ([value, around]) => {
      const text = '['.repeat(around) + JSON.stringify(value) + ']'.repeat(around);
      expect(shapeFault(Buffer.from(text)) === undefined).toBe(around + depthOf(value) <= 64);
    });
    holds(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(shapeFault(Buffer.from(bytes)) ?? 'The body').toMatch(/^The body/);
    });
  });

  it('has an Idempotency-Key of 1 to 255 printable characters of ASCII', () => {
    holds(fc.oneof(anyText, near('a key', 'k'.repeat(255))), (text) => {
      const isRight =
        text.length >= 1 &&
        text.length <= 255 &&
        Buffer.from(text).every((byte) => byte >= 0x20 && byte <= 0x7e);
      expect(agentRequests.idempotencyKey.safeParse(text).success).toBe(isRight);
    });
  });

  it.each<
    [
      string,
      { safeParse(value: unknown): { success: boolean; data?: unknown; error?: { issues: object[] } } },
    ]
  >([
    ['postMessage', agentRequests.postMessage],
    ['startStream', agentRequests.startStream],
    ['createSession', sessionRequests.createSession],
    ['decide', agentRequests.decide],
    ['subscribe', socketRequests.subscribe],
  ])('of the schema %s is read to the same again, or refused in words', (_name, schema) => {
    holds(
      fc.oneof(
        anyJson,
        anyJson.map((value) => ({ content: value })),
        anyJson.map((value) => ({ metadata: { a: value } })),
      ),
      (value) => {
        const read = schema.safeParse(value);
        if (read.success) expect(schema.safeParse(read.data).data).toEqual(read.data);
        else expect(JSON.stringify(invalidRequest(read.error!.issues).errors).length).toBeLessThan(20_000);
      },
    );
  });

  it.each([
    ['readStream', agentRequests.readStream, 'session_id'],
    ['listSessions', sessionRequests.listSessions, 'cursor'],
  ] as const)('of the query %s has one value of each, or is refused', (_name, schema, field) => {
    const words = fc.constantFrom(
      'session_id',
      'run_id',
      'limit',
      'cursor',
      'follow',
      'last_event_id',
      '__proto__',
      'x',
      'session_id[]',
    );
    const value = fc.oneof(
      anyText,
      fc.constantFrom('true', '1', '100', '101', '-1', SES),
      fc.array(fc.string(), { maxLength: 3 }),
    );
    holds(fc.dictionary(words, value), (query) => {
      const read = schema.safeParse(query);
      if (!read.success) return;
      expect(Array.isArray(query[field])).toBe(false);
      if ('limit' in read.data) expect(read.data.limit >= 1 && read.data.limit <= 100).toBe(true);
    });
  });
});

describe('content', () => {
  it('that is taken is told as it came: no field more or less, no NUL, no half of a pair, not blank', () => {
    const block = fc.oneof(
      fc.record({ type: fc.constantFrom('text', 'image', 'x'), text: anyText }, { requiredKeys: [] }),
      fc.record({ type: fc.constantFrom('image', 'document'), source: anyJson }),
      anyJson,
    );
    holds(fc.oneof(anyText, fc.array(block, { maxLength: 3 }), anyJson), (said) => {
      const read = content.safeParse(said);
      if (!read.success) return;
      expect(read.data).toEqual(said);
      const text = JSON.stringify(said);
      expect([text.includes('\\u0000'), /\\ud[89a-f]/.test(text)]).toEqual([false, false]);
      if (typeof said === 'string') expect(said.trim()).not.toBe('');
    });
  });
});

describe('what a socket says', () => {
  it('is answered once, with a refusal or by whom it is for', async () => {
    const answers: unknown[] = [];
    const heard = new EventEmitter();
    const tasks: (() => Promise<void>)[] = [];
    const socket = {
      isDismissed: false,
      limits: { countMessage: () => true, countMalformed: () => true },
      heard() {},
      enqueue: (task: () => Promise<void>) => void tasks.push(task),
      acknowledge: (ref: unknown) => void answers.push(['ack', ref]),
      reject: (ref: unknown, { code }: AppError) => void answers.push([code, ref]),
      dismiss: (code: number) => void answers.push(code),
      on: heard.on.bind(heard),
    };
    const handlers = Object.keys(socketRequests).map((message) => ({
      message,
      callback: async () => ({ data: {} }),
    }));
    new SocketInbox(socket as unknown as AgentSocket, handlers).open();
    const frame = fc.record(
      {
        event: fc.oneof(fc.constantFrom('ping', 'start', '__proto__', 'toString'), anyText),
        data: anyJson,
        ref: fc.oneof(fc.string(), fc.integer()),
      },
      { requiredKeys: [] },
    );
    await eventually(
      fc.oneof(
        anyText,
        frame.map((value) => JSON.stringify(value)),
        near('{"event":"ping","data":{},"ref":1}'),
      ),
      async (text) => {
        answers.length = 0;
        heard.emit('message', Buffer.from(text), false);
        for (const task of tasks.splice(0)) await task();
        expect(answers).toHaveLength(1);
      },
    );
  });
});

/** What a decoder makes of a stream in these pieces. */
function decoded(pieces: Uint8Array[]): unknown[] {
  const decoder = new WireDecoder();
  const events = pieces.flatMap((piece) => decoder.decode(piece));
  decoder.end();
  return [events, decoder.finished, decoder.failure?.message];
}

describe('what others send', () => {
  it('as the description of a tool has a name of its own server, or is left out with a line', () => {
    // The client lets pass objects that say they are one.
    const anySchema = fc
      .dictionary(fc.constantFrom('properties', 'required', 'anyOf', '$ref', '$defs', 'x'), anyJson, {
        maxKeys: 3,
      })
      .map((fields) => ({ type: 'object', ...fields }));
    const tool = fc.record({
      name: fc.oneof(anyText, fc.constantFrom('now', 'a.b', '../..')),
      description: fc.option(anyText, { nil: undefined }),
      inputSchema: anySchema,
      annotations: fc.option(anyJson, { nil: undefined }),
    });
    holds(tool, (said) => {
      const { definitions, problems } = readDefinitions({ name: 'far' } as ToolServer, [said] as never);
      expect(definitions.length + problems.length).toBe(1);
      for (const { offeredAs, description } of definitions) {
        expect(offeredAs).toMatch(/^far__[\w-]+$/);
        expect([offeredAs.length <= 64, description.startsWith('[far] ')]).toEqual([true, true]);
      }
    });
  });

  it('as the stream of a model is the same however it is cut', () => {
    const whole = Buffer.from(textReply(['grüße ', '😀 ', 'a\n\nb']).join(''));
    const expected = decoded([whole]);
    holds(fc.tuple(fc.nat(whole.length), fc.nat(whole.length)), (places) => {
      const [first = 0, second = 0] = places.toSorted((a, b) => a - b);
      expect(
        decoded([whole.subarray(0, first), whole.subarray(first, second), whole.subarray(second)]),
      ).toEqual(expected);
    });
    holds(fc.tuple(fc.nat(whole.length), fc.uint8Array({ maxLength: 20 })), ([place, odd]) => {
      const [, finished, failure] = decoded([
        whole.subarray(0, place),
        odd,
        whole.subarray(place + odd.length),
      ]);
      expect(finished === true || typeof failure === 'string').toBe(true);
    });
  });

  it('as an id is one form of one kind', () => {
    holds(fc.oneof(anyText, near(SES, RUN)), (text) => {
      if (isId('ses', text)) expect(text).toMatch(/^ses_[0-7][0-9a-hjkmnp-tv-z]{25}$/);
      expect(isId('ses', text) && isId('run', text)).toBe(false);
    });
  });
});

function refusedOr<T>(ask: () => T): T | AppError {
  try {
    return ask();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}
