import { AgentlineError } from './agentline-error.js';
import type { Connect } from './connection.js';
import { HttpCalls, type HttpOptions } from './http-calls.js';
import { type FollowOptions, RunStream } from './run-stream.js';
import { connectBySocket, type SocketConstructor } from './socket-connection.js';
import { connectBySse, readStream } from './sse-connection.js';
import type {
  Decision,
  FollowTarget,
  Message,
  Receipt,
  Run,
  Session,
  SessionFields,
  StartedRun,
  StartRequest,
  User,
} from './wire.js';

export { AgentlineError } from './agentline-error.js';
export type { Token } from './http-calls.js';
export type { FollowOptions, RunStream, WireHappening } from './run-stream.js';
export { RunView, type Part, type ToolView } from './run-view.js';
export type * from './wire.js';

export interface ClientOptions extends HttpOptions {
  /** How runs are followed; everything else is HTTP. `sse` when not given. */
  transport?: 'sse' | 'websocket' | undefined;
  /** Where there is no global one: Node before 22. */
  WebSocket?: SocketConstructor | undefined;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface StartOptions extends CallOptions {
  /** Names this start (`Idempotency-Key`): said again within 24 hours, it is the same run. A new one when not given. */
  idempotencyKey?: string | undefined;
}

/**
 * A user of an Agentline server, in a browser or in Node.
 *
 * The names in requests, answers and events are those of the wire contract. Calls that may be made twice are made again
 * when there is no answer; every one takes a `signal`, and throws `AgentlineError` when it is refused.
 */
export class AgentlineClient {
  private readonly http: HttpCalls;
  private readonly connect: Connect;

  constructor(private readonly options: ClientOptions) {
    this.http = new HttpCalls({ ...options });
    this.connect =
      options.transport === 'websocket'
        ? connectBySocket(this.http, socketConstructor(options))
        : connectBySse(this.http);
  }

  /** In a page of the server itself by cookie, which page scripts cannot read; everywhere else by access token. */
  async signIn(email: string, password: string, { signal }: CallOptions = {}): Promise<void> {
    const body = { email, password };
    if (isOwnPage(this.http.origin)) {
      await this.http.once({ method: 'POST', path: '/api/auth/login', body, signal });
      return;
    }
    const call = { method: 'POST', path: '/api/auth/token', body, signal } as const;
    const { access_token: token } = await this.http.once<{ access_token: string }>(call);
    this.http.useToken(token);
  }

  /** Ends the cookie's login, or forgets the token. */
  async signOut({ signal }: CallOptions = {}): Promise<void> {
    const hasToken = (await this.http.token()) !== undefined;
    this.http.useToken(undefined);
    if (!hasToken) await this.http.call({ method: 'POST', path: '/api/auth/logout', signal });
  }

  me({ signal }: CallOptions = {}): Promise<User> {
    return this.http.call({ method: 'GET', path: '/api/auth/me', signal });
  }

  /** Starts one run, however often the call has to be made until it is answered. */
  async start(request: StartRequest, options: StartOptions = {}): Promise<StartedRun> {
    const { signal, idempotencyKey = newKey() } = options;
    const headers = { 'Idempotency-Key': idempotencyKey };
    const { session_id: sessionId, agent, ...message } = request;
    // A session that is there takes a message; with an agent of this run's own, or without a session, the stream does.
    if (sessionId === undefined || agent !== undefined) {
      return this.http.persist(() => this.startStream(request, headers, signal), signal);
    }
    const path = `/api/agent/sessions/${encodeURIComponent(sessionId)}/messages`;
    const call = { method: 'POST', path, body: message, headers, signal } as const;
    const { run } = await this.http.call<{ run: Run }>(call);
    return { run_id: run.id, session_id: run.session_id, status: run.status };
  }

  /**
   * The events of a run as they come, from the first or after a cursor; the result of `start` can be handed in as it
   * is. Nothing is sent before the loop begins.
   */
  follow(target: FollowTarget, options: FollowOptions = {}): RunStream {
    if (target.session_id === undefined && target.run_id === undefined) {
      throw new TypeError('follow() needs session_id or run_id.');
    }
    const locate = async (asked: FollowTarget): Promise<FollowTarget> => {
      if (asked.session_id !== undefined) return asked;
      const run = await this.run(asked.run_id ?? '', { signal: options.signal });
      return { ...asked, session_id: run.session_id };
    };
    return new RunStream(target, { connect: this.connect, locate, pauses: this.options }, options);
  }

  /** @returns the receipt, when nothing of the run can follow but its `done`. */
  cancel(runId: string, { signal }: CallOptions = {}): Promise<Receipt> {
    return this.http.call({ method: 'POST', path: `${runPath(runId)}/cancel`, body: {}, signal });
  }

  /** Decides on a call that waits for it. The same decision may be made twice; another one is refused (409). */
  decide(
    runId: string,
    toolCallId: string,
    decision: 'approve' | 'deny',
    options: CallOptions & { reason?: string | undefined } = {},
  ): Promise<Decision> {
    const { reason, signal } = options;
    const path = `${runPath(runId)}/tool_calls/${encodeURIComponent(toolCallId)}/decision`;
    const body = { decision, ...(reason !== undefined && { reason }) };
    return this.http.call({ method: 'POST', path, body, signal });
  }

  run(runId: string, { signal }: CallOptions = {}): Promise<Run> {
    return this.http.call({ method: 'GET', path: runPath(runId), signal });
  }

  /** Runs of a session, newest first. */
  async runs(sessionId: string, { signal }: CallOptions = {}): Promise<Run[]> {
    const path = `${sessionPath(sessionId)}/runs`;
    return (await this.http.call<{ data: Run[] }>({ method: 'GET', path, signal })).data;
  }

  /** Made once: a call without answer is not made again. */
  createSession(fields: SessionFields = {}, { signal }: CallOptions = {}): Promise<Session> {
    return this.http.once({ method: 'POST', path: '/api/agent/sessions', body: fields, signal });
  }

  session(sessionId: string, { signal }: CallOptions = {}): Promise<Session> {
    return this.http.call({ method: 'GET', path: sessionPath(sessionId), signal });
  }

  async messages(sessionId: string, { signal }: CallOptions = {}): Promise<Message[]> {
    const path = `${sessionPath(sessionId)}/messages`;
    return (await this.http.call<{ data: Message[] }>({ method: 'GET', path, signal })).data;
  }

  /** The session and its run in one call, so that a repetition finds both. Only the first event is read: `run`. */
  private async startStream(
    body: StartRequest,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<StartedRun> {
    const left = new AbortController();
    const either = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
    try {
      const call = { method: 'POST', path: '/api/agent/stream', body, headers, signal: either } as const;
      const response = await this.http.send(call);
      const reading = { signal, leave: () => left.abort(), idleMs: this.http.idleMs };
      for await (const heard of readStream(response, reading)) {
        if (heard.kind === 'event' && heard.event.type === 'run') {
          const { run_id, session_id, status } = heard.event.data;
          return { run_id, session_id, status };
        }
      }
    } catch (error) {
      if (error instanceof AgentlineError || signal?.aborted === true) throw error;
      throw brokenStart(error);
    } finally {
      left.abort();
    }
    throw brokenStart();
  }
}

function brokenStart(cause?: unknown): AgentlineError {
  const parts = { status: 0, code: 'connection_lost', cause };
  return new AgentlineError('The connection ended before the run was known.', parts);
}

const sessionPath = (id: string): string => `/api/agent/sessions/${encodeURIComponent(id)}`;
const runPath = (id: string): string => `/api/agent/runs/${encodeURIComponent(id)}`;

function isOwnPage(origin: string): boolean {
  return (globalThis as { location?: { origin?: string } }).location?.origin === origin;
}

function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function socketConstructor({ WebSocket: given }: ClientOptions): SocketConstructor {
  const found = given ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
  if (found === undefined) throw new TypeError('There is no WebSocket here: hand one in, or use Node 22.');
  return found;
}
