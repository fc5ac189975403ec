import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';

/** What carries the calls of the model. */
export const TRANSPORTS = ['node', 'fetch'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** A connection that nobody uses is closed after this, in milliseconds; a server may name a shorter time. */
const IDLE_SOCKET_MS = 4_000;
const KEEP = { keepAlive: true, timeout: IDLE_SOCKET_MS };
/** Answers that have no body (Fetch, "null body status"). */
const BODILESS = new Set([101, 204, 205, 304]);

/** The bytes of an answer, taken one piece after the other; it is read no faster than it is taken. */
export interface AnswerBody {
  /** The next bytes; undefined when there are no more, or it was given up. Rejects when its connection broke. */
  read(): Promise<Uint8Array | undefined>;
  /** Whether somebody waits for the next bytes. */
  readonly isAwaited: boolean;
  /** Gives it up, with its connection. A read that waits is settled at once, even if the transport hangs. */
  cancel(): void;
}

/** Bytes held for a reader that is busy; above it nothing more is taken from the socket. */
const HOLD = 65_536;

/** A body as Node hands it out: each piece that arrives costs one settled promise. */
export class NodeBody implements AnswerBody {
  private readonly pieces: Uint8Array[] = [];
  private held = 0;
  private waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  private failure: Error | undefined;
  private isOver = false;

  constructor(private readonly message: http.IncomingMessage) {
    message.on('data', (piece: Buffer) => this.take(piece));
    message.on('end', () => this.end());
    message.on('error', (error) => this.end(error));
    // After both of the others, or alone when the connection was given up.
    message.on('close', () => this.end());
  }

  get isAwaited(): boolean {
    return this.waiting !== undefined;
  }

  read(): Promise<Uint8Array | undefined> {
    const piece = this.pieces.shift();
    if (piece !== undefined) {
      this.held -= piece.length;
      if (this.held < HOLD && this.message.isPaused()) this.message.resume();
      return Promise.resolve(piece);
    }
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.isOver) return Promise.resolve(undefined);
    this.waiting = Promise.withResolvers();
    return this.waiting.promise;
  }

  cancel(): void {
    this.pieces.length = 0;
    this.end();
    this.message.destroy();
  }

  private take(piece: Buffer): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      this.waiting = undefined;
      waiting.resolve(piece);
      return;
    }
    if (this.isOver) return;
    this.pieces.push(piece);
    this.held += piece.length;
    if (this.held >= HOLD) this.message.pause();
  }

  private end(error?: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting === undefined) this.failure = error;
    else if (error === undefined) waiting.resolve(undefined);
    else waiting.reject(error);
  }
}

/** A body as `fetch` hands it out. */
export class WebBody implements AnswerBody {
  isAwaited = false;
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(body: ReadableStream<Uint8Array>) {
    this.reader = body.getReader();
  }

  async read(): Promise<Uint8Array | undefined> {
    this.isAwaited = true;
    try {
      return (await this.reader.read()).value;
    } finally {
      this.isAwaited = false;
    }
  }

  cancel(): void {
    // Settles a pending read at once (WHATWG Streams, ReadableStreamCancel).
    this.reader.cancel().catch(ignoreBrokenBody);
  }
}

/** It is given up: how it ends tells nothing any more. */
function ignoreBrokenBody(_error: unknown): void {}

/**
 * `fetch` for the SDK over Node's own HTTP client, and the bodies of streams without web streams between: about half
 * the cost of a token. What `fetch` does and this does not: redirects (they are answers, and so refusals), compressed
 * answers, proxies.
 */
export class NodeTransport {
  private readonly bodies = new WeakMap<Response, AnswerBody>();
  private readonly agents = { http: new http.Agent(KEEP), https: new https.Agent(KEEP) };

  /** As much of `fetch` as the SDK uses: the body to send is a text or none. */
  readonly fetch = (target: string | URL | Request, init: RequestInit = {}): Promise<Response> =>
    new Promise((resolve, reject) => {
      const { signal } = init;
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const request = this.open(new URL(target instanceof Request ? target.url : target), init);
      const cut = (): void => void request.destroy(signal?.reason as Error);
      signal?.addEventListener('abort', cut, { once: true });
      request.on('close', () => signal?.removeEventListener('abort', cut));
      request.on('error', reject);
      request.on('response', (message) => {
        try {
          resolve(this.responseOf(message));
        } catch (error) {
          reject(error);
          request.destroy();
        }
      });
      request.end(init.body);
    });

  /** The body of a stream that `fetch` has answered with. */
  bodyOf(response: Response): AnswerBody | undefined {
    return this.bodies.get(response);
  }

  private open(url: URL, { method = 'GET', headers }: RequestInit): http.ClientRequest {
    const sent = { ...Object.fromEntries(new Headers(headers)), 'accept-encoding': 'identity' };
    // The agent's timeout is for sockets that nobody uses: on others it would set a timer anew for each piece.
    const options = { method, headers: sent, timeout: 0 };
    return url.protocol === 'https:'
      ? https.request(url, { ...options, agent: this.agents.https })
      : http.request(url, { ...options, agent: this.agents.http });
  }

  private responseOf(message: http.IncomingMessage): Response {
    const { statusCode: status = 0 } = message;
    const headers = headersOf(message);
    const encoding = headers.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity') {
      throw new Error(`The answer is compressed (${encoding}) although it was asked for as it is.`);
    }
    if (BODILESS.has(status)) {
      message.resume();
      return new Response(null, { status, headers });
    }
    const isStream = status === 200 && headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (!isStream) {
      // The types of Node and of the web library name the same class twice.
      return new Response(Readable.toWeb(message) as ReadableStream<Uint8Array>, { status, headers });
    }
    const response = new Response(null, { status, headers });
    this.bodies.set(response, new NodeBody(message));
    return response;
  }
}

/** Whether this process sends its calls through a proxy (`NODE_USE_ENV_PROXY`), which only `fetch` then does here. */
export function isProxied(): boolean {
  return (http.globalAgent as { options?: { proxyEnv?: unknown } }).options?.proxyEnv !== undefined;
}

function headersOf({ rawHeaders }: http.IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  return headers;
}
