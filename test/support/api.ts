import { SignJWT } from 'jose';
import { TEST_ENV } from './test-env.js';
import { openSse, readSse, type SseOptions, type SseStream } from './sse-client.js';
import { openSocket, type AgentSocket } from './ws-client.js';
import { until } from './until.js';

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
  text: string;
}

export interface RunBody {
  id: string;
  session_id: string;
  status: string;
  attempt: number;
  model: string;
  stop_reason: string | null;
  usage: Record<string, number | boolean>;
  created_at: string;
  ended_at: string | null;
  last_event_id: string | null;
}

export interface Receipt {
  run_id: string;
  status: string;
  last_event_id: string | null;
  usage: Record<string, number | boolean>;
  tool_calls: { id: string; name: string; state: string }[];
}

const OPEN = ['queued', 'running', 'waiting'];

/** An access token as the server's own secret signs it. */
export async function bearerOf(user: string, claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(TEST_ENV.JWT_SECRET));
}

/** One user of the server, calling its routes with a bearer token. */
export class Api {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  static async as(url: string, user: string, claims: Record<string, unknown> = {}): Promise<Api> {
    return new Api(url, await bearerOf(user, claims));
  }

  get authorization(): { authorization: string } {
    return { authorization: `Bearer ${this.token}` };
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return send<T>(method, this.url + path, body, { ...this.authorization, ...headers });
  }

  async createSession(fields: Record<string, unknown> = {}): Promise<string> {
    const answer = await this.call<{ id: string }>('POST', '/api/agent/sessions', fields);
    return expectStatus(answer, 201).body.id;
  }

  async post(sessionId: string, content: unknown, fields: Record<string, unknown> = {}): Promise<RunBody> {
    const path = `/api/agent/sessions/${sessionId}/messages`;
    const answer = await this.call<{ run: RunBody }>('POST', path, { content, ...fields });
    return expectStatus(answer, 202).body.run;
  }

  async run(runId: string): Promise<RunBody> {
    return expectStatus(await this.call<RunBody>('GET', `/api/agent/runs/${runId}`), 200).body;
  }

  async runsOf(sessionId: string): Promise<RunBody[]> {
    const answer = await this.call<{ data: RunBody[] }>('GET', `/api/agent/sessions/${sessionId}/runs`);
    return expectStatus(answer, 200).body.data;
  }

  /** Waits until the run is over, and returns it. */
  async settled(runId: string, ms = 20_000): Promise<RunBody> {
    return until(
      `the end of ${runId}`,
      async () => {
        const run = await this.run(runId);
        return OPEN.includes(run.status) ? undefined : run;
      },
      ms,
    );
  }

  async cancel(runId: string): Promise<Answer<Receipt>> {
    return this.call<Receipt>('POST', `/api/agent/runs/${runId}/cancel`);
  }

  streamUrl(query: Record<string, string>): string {
    return `${this.url}/api/agent/stream?${new URLSearchParams(query).toString()}`;
  }

  async open(query: Record<string, string>, options: SseOptions = {}): Promise<SseStream> {
    return openSse(this.streamUrl(query), {
      ...options,
      headers: { ...this.authorization, ...options.headers },
    });
  }

  async read(query: Record<string, string>, options: SseOptions = {}, ms?: number): Promise<SseStream> {
    const headers = { ...this.authorization, ...options.headers };
    return readSse(this.streamUrl(query), { ...options, headers }, ms);
  }

  async socket(): Promise<AgentSocket> {
    return openSocket(this.url, { headers: this.authorization });
  }
}

/** One call with JSON in and, where the answer is JSON, JSON out. */
export async function send<T = Record<string, unknown>>(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method,
    headers: { ...json, ...headers },
    ...(body === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') && answer !== '';
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson ? JSON.parse(answer) : {}) as T,
    text: answer,
  };
}

export function expectStatus<T>(answer: Answer<T>, status: number): Answer<T> {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
  return answer;
}

/** Signs in by password and returns the cookie as a browser sends it back. */
export async function signIn(
  url: string,
  email: string = TEST_ENV.ADMIN_EMAIL,
  password: string = TEST_ENV.ADMIN_PASSWORD,
): Promise<string> {
  const headers = { origin: url, 'sec-fetch-site': 'same-origin' };
  const answer = expectStatus(await send('POST', `${url}/api/auth/login`, { email, password }, headers), 200);
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ');
}

/** An access token by password. */
export async function tokenFor(url: string, email: string, password: string): Promise<string> {
  const answer = await send<{ access_token: string }>('POST', `${url}/api/auth/token`, { email, password });
  return expectStatus(answer, 200).body.access_token;
}
