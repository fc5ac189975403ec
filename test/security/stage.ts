import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect } from '@jest/globals';
import { messageStart, textReply, wireEvent } from '../support/anthropic/anthropic-sse.js';
import { Api, bearerOf, send, signIn, type Answer, type RunBody } from '../support/api.js';
import { startApp, type RunningApp } from '../support/app.js';
import { faultsOf } from '../support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from '../support/fake-upstream.js';
import { readSse, type SseStream } from '../support/sse-client.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { rawHttp, rawRequest, type RawAnswer } from '../support/wire/raw-http.js';

export const NOBODYS_SESSION = 'ses_01h455vb4pex5vsknk084sn02q';
export const NOBODYS_RUN = 'run_01h455vb4pex5vsknk084sn02q';
/** The only origin whose pages may use a cookie. */
export const ORIGIN = 'https://app.example.com';
export const ISSUER = 'https://issuer.example.com';
export const OURS = ['Sec-Fetch-Site: same-origin'];
export const JSON_TYPE = 'Content-Type: application/json';

/** Milliseconds of CPU, ours and the client's together, that a refusal may cost: far above 50, for slow machines. */
const CPU_BAR_MS = 500;

/** What no answer may show: stacks, SQL, paths, drivers and their versions. */
const INSIDES =
  /node_modules|\bat \S+ \(|\.[cm]?[jt]s:\d|SELECT |INSERT |sqlite|kysely|postgres|express|nestjs|node\.js|\/(?:home|root|work|tmp|usr|var)\//i;

/** A server with users, a run that goes on all the time, and ways to ask that are as exact as bytes. */
export class Stage {
  upstream!: FakeUpstream;
  app!: RunningApp;
  ada!: Api;
  eve!: Api;
  admin!: { cookie: string; api: Api };
  session!: string;
  run!: RunBody;
  private witness!: { api: Api; session: string; stream: SseStream };
  private isReleased = false;
  private readonly delay = monitorEventLoopDelay({ resolution: 5 });

  get url(): string {
    return this.app.url;
  }

  async open(): Promise<void> {
    this.upstream = await FakeUpstream.start((call) => this.answer(call));
    this.app = await startApp({
      ...upstreamEnv(this.upstream.url),
      ALLOWED_ORIGINS: ORIGIN,
      JWT_ISSUER: ISSUER,
      METRICS_TOKEN: 'the-token-of-the-collector',
    });
    this.ada = await this.user('ada');
    this.eve = await this.user('eve');
    const cookie = await this.signIn();
    const token = await this.tokenOf(TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
    this.admin = { cookie, api: new Api(this.url, token) };
    this.session = await this.ada.createSession({ title: 'of ada' });
    this.run = await this.ada.post(this.session, 'mine');
    await this.ada.settled(this.run.id);
    await this.beginWitness();
    this.delay.enable();
  }

  async close(): Promise<void> {
    this.delay.disable();
    this.isReleased = true;
    await this.app?.stop();
    await this.upstream?.stop();
  }

  /** Ends the run that went on all the time, and compares what its viewer saw with the log. */
  async endWitness(): Promise<{ events: number; faults: string[]; same: boolean }> {
    const { api, session, stream } = this.witness;
    this.isReleased = true;
    await stream.ended;
    const again = await api.read({ session_id: session });
    const same = JSON.stringify(stream.events) === JSON.stringify(again.events);
    return { events: stream.events.length, faults: faultsOf(stream.events), same };
  }

  /** The longest that the event loop, in which the clients are too, was held up. */
  get longestDelayMs(): number {
    return this.delay.max / 1e6;
  }

  user(name: string, claims: Record<string, unknown> = {}): Promise<Api> {
    return Api.as(this.url, name, { iss: ISSUER, ...claims });
  }

  token(name: string, claims: Record<string, unknown> = {}): Promise<string> {
    return bearerOf(name, { iss: ISSUER, ...claims });
  }

  signIn(email: string = TEST_ENV.ADMIN_EMAIL, password: string = TEST_ENV.ADMIN_PASSWORD): Promise<string> {
    return signIn(this.url, email, password);
  }

  /** A new account, by its e-mail address and password. */
  async account(roles: string[] = ['member']): Promise<{ id: string; email: string; password: string }> {
    const who = { email: `${crypto.randomUUID()}@example.com`, password: 'a password of theirs' };
    const made = await this.admin.api.call<{ id: string }>('POST', '/api/admin/users', { ...who, roles });
    expect(made.status).toBe(201);
    return { ...who, id: made.body.id };
  }

  async tokenOf(email: string, password: string): Promise<string> {
    const answer = await send<{ access_token: string }>('POST', `${this.url}/api/auth/token`, {
      email,
      password,
    });
    return answer.body.access_token;
  }

  /** One request in exact bytes. A body brings its length, unless the headers speak of it. */
  async raw(line: string, headers: string[] = [], body: string | Buffer = ''): Promise<RawAnswer> {
    const length = Buffer.byteLength(body);
    const says = headers.some((header) => /^(content-length|transfer-encoding)\b/i.test(header));
    const framing = length > 0 && !says ? [`Content-Length: ${length}`] : [];
    const head = rawRequest(this.url, `${line} HTTP/1.1`, [...headers, ...framing]);
    return rawHttp(this.url, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body as string)]));
  }

  /** A request of ada's with JSON, text as it is. */
  post(path: string, body: unknown, headers: string[] = [bearer(this.ada)]): Promise<RawAnswer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.raw(`POST ${path}`, [JSON_TYPE, ...headers], text);
  }

  get(path: string, headers: string[] = [bearer(this.ada)]): Promise<RawAnswer> {
    return this.raw(`GET ${path}`, headers);
  }

  /** What the API keeps for ada: to see that a refusal changed nothing. */
  async everything(): Promise<string> {
    const lists = await Promise.all(
      [
        '/api/agent/sessions?limit=100',
        `/api/agent/sessions/${this.session}/messages`,
        `/api/agent/sessions/${this.session}/runs`,
      ].map((path) => this.ada.call('GET', path)),
    );
    return lists.map(({ text }) => text).join('\n');
  }

  /** A stream of ada's session to its end. */
  stream(query: Record<string, string>, lastEventId?: string, who = this.ada): Promise<SseStream> {
    return readSse(who.streamUrl({ session_id: this.session, ...query }), {
      headers: who.authorization,
      lastEventId,
    });
  }

  private answer(call: UpstreamCall): Reply {
    const said = JSON.stringify(call.body.messages.at(-1));
    if (said.includes('inject')) return { sse: textReply(['a\n\nevent: x\ndata: ', '{}\n\nid: 9\n\n']) };
    return said.includes('all the time')
      ? { sse: this.untilReleased(), paceMs: 25 }
      : { sse: textReply(['ok']) };
  }

  private *untilReleased(): Iterable<string> {
    yield messageStart();
    yield wireEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
    for (let n = 0; !this.isReleased; n += 1)
      yield wireEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text: `${n} ` } });
    yield wireEvent('content_block_stop', { index: 0 });
    yield wireEvent('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } });
    yield wireEvent('message_stop');
  }

  private async beginWitness(): Promise<void> {
    const api = await this.user('witness');
    const session = await api.createSession();
    await api.post(session, 'speak all the time');
    this.witness = { api, session, stream: await api.open({ session_id: session }) };
  }
}

export function bearer(who: Api | string): string {
  return `Authorization: Bearer ${typeof who === 'string' ? who : who.token}`;
}

export function cookie(pairs: string): string {
  return `Cookie: ${pairs}`;
}

/** Checks everything that all refusals have in common, and names this one: its status and its code. */
export function refusal({ status, headers, body }: RawAnswer): string {
  expect(headers['content-type']).toBe('application/problem+json');
  const problem = JSON.parse(body) as Record<string, unknown>;
  const { code, request_id: requestId, errors, ...rest } = problem;
  expect(rest).toEqual({
    type: `urn:agentline:problem:${String(code)}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
  });
  expect(requestId).toMatch(/^[\da-f-]{36}$/);
  if (errors !== undefined) expect(errors).toEqual(expect.any(Array));
  if (headers['x-request-id'] !== undefined) expect(headers['x-request-id']).toBe(requestId);
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['content-security-policy']).toMatch(/default-src 'none'/);
  expect(headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  expect(headers['allow'] !== undefined).toBe(status === 405);
  expect([headers['x-powered-by'], headers['server']]).toEqual([undefined, undefined]);
  expect([undefined, ORIGIN]).toContain(headers['access-control-allow-origin']);
  expect(JSON.stringify({ ...headers, 'content-type': '', body })).not.toMatch(INSIDES);
  return `${status} ${String(code)}`;
}

/** A refusal of `fetch` in the same words. */
export function refusalOf(answer: Answer): string {
  const headers = Object.fromEntries(answer.headers.entries());
  return refusal({ status: answer.status, headers, body: answer.text, closed: false });
}

/** What the answers of two refusals have in common must be all but the request id. */
export function withoutIds(text: string): string {
  return text.replaceAll(/"request_id":"[^"]*"/g, '').replaceAll(/(ses|run|tool|usr)_\w+/g, 'ID');
}

/** The same, with what it costs. */
export async function cheap<T>(ask: () => Promise<T>, barMs = CPU_BAR_MS): Promise<T> {
  const before = process.cpuUsage();
  const answer = await ask();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(barMs);
  return answer;
}

/** One row: its number, its words, how it is asked, and the one answer that is right. */
export type Row<T = string> = readonly [row: string, words: string, ask: () => Promise<T>, expected: T];

/** The stage of all tables. */
export const stage = new Stage();
