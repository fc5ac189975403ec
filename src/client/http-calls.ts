import { AgentlineError } from './agentline-error.js';
import { Pauses, type PauseOptions } from './pauses.js';

/** An access token or an API key, or how to get the one of now. */
export type Token = string | (() => string | Promise<string>);

export interface HttpOptions extends PauseOptions {
  /** Address of the server, without path. */
  url: string;
  token?: Token | undefined;
  /** `fetch` of another kind, for example one with a proxy. */
  fetch?: typeof fetch | undefined;
  /** Milliseconds without a byte after which a connection counts as lost; 60 s, four heartbeats, when not given. */
  idleMs?: number | undefined;
  /** Attempts of one call that may be made twice, while there is no answer; 8, in about a minute, when not given. */
  attempts?: number | undefined;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

const IDLE_MS = 60_000;
/** Attempts of one call; together they wait for a little more than a minute. */
const ATTEMPTS = 8;

/** Calls of the API, with the credentials of one caller. */
export class HttpCalls {
  readonly origin: string;
  readonly idleMs: number;
  private readonly fetch: typeof fetch;

  constructor(private readonly options: HttpOptions) {
    this.origin = new URL(options.url).origin;
    this.idleMs = options.idleMs ?? IDLE_MS;
    this.fetch = options.fetch ?? ((...args) => fetch(...args));
  }

  async token(): Promise<string | undefined> {
    const { token } = this.options;
    return typeof token === 'function' ? token() : token;
  }

  useToken(token: string | undefined): void {
    this.options.token = token;
  }

  /**
   * One attempt. The answer's body is still to be read, or to be let go with `signal`.
   * @throws AgentlineError for every answer that is no success, and for none. @throws the reason of `signal`.
   */
  async send({ method, path, body, headers = {}, signal }: Call): Promise<Response> {
    signal?.throwIfAborted();
    const token = await this.token();
    const watch = new AbortController();
    const timer = setTimeout(
      () => watch.abort(new Error(`No answer within ${this.idleMs} ms.`)),
      this.idleMs,
    );
    const response = await this.fetch(this.origin + path, {
      method,
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      credentials: 'same-origin',
      signal: signal === undefined ? watch.signal : AbortSignal.any([signal, watch.signal]),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
      .catch((cause: unknown) => {
        throw unreachable(cause, this.origin, signal);
      })
      .finally(() => clearTimeout(timer));
    if (!response.ok) throw await AgentlineError.of(response);
    return response;
  }

  /** One attempt, with what it answers; undefined when it has no body. */
  async once<T>(call: Call): Promise<T> {
    const response = await this.send(call);
    const text = await response.text().catch((cause: unknown) => {
      throw unreachable(cause, this.origin, call.signal);
    });
    return parsed(text, response.status) as T;
  }

  /** For calls that change the same when they are made twice: as many attempts as it takes, within bounds. */
  async call<T>(call: Call): Promise<T> {
    return this.persist(() => this.once<T>(call), call.signal);
  }

  /** Makes attempts until one is answered, or refused for good. */
  async persist<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const pauses = new Pauses(this.options, 500);
    const most = this.options.attempts ?? ATTEMPTS;
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt();
      } catch (error) {
        const isFinal = !(error instanceof AgentlineError && error.isPassing);
        if (isFinal || attempts >= most) throw error;
        await pauses.wait(error, signal);
      }
    }
  }
}

function parsed(text: string, status: number): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (cause) {
    const parts = { status, code: 'not_json', cause };
    throw new AgentlineError('What answers is no Agentline server: its answer is not JSON.', parts);
  }
}

/** Why there was no answer: the caller's own wish, or the network. */
export function unreachable(cause: unknown, origin: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  return new AgentlineError(`The server at ${origin} cannot be reached.`, {
    status: 0,
    code: 'unreachable',
    cause,
  });
}
