import type { FetchLike } from '@modelcontextprotocol/client';
import { Agent, type Dispatcher, request } from 'undici';
import type { AddressGuard } from '../address-guard.js';
import { publicUrl } from '../public-url.js';
import { ToolError } from '../tool-error.js';

/** The request has not reached the server: whatever it asked for was not done. */
export class NotDelivered extends Error {
  override readonly name = 'NotDelivered';
}

export interface GuardedFetch {
  fetch: FetchLike;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** One answer, also a stream of many: what is longer is cut off with an error. */
const MAX_BYTES = 8 * 1024 * 1024;
const CONNECT_MS = 10_000;
/** Codes of errors that come before the first byte of a request: of names, of routes, of TLS. */
const NOT_DELIVERED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_[A-Z]+|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|ERR_SSL_.*|CERT_.*|UNABLE_TO_.*|.*SELF_SIGNED.*|EPROTO)$/;
/** A `Response` with one of these takes no body (WHATWG Fetch). */
const WITHOUT_BODY = new Set([204, 205]);

/**
 * `fetch` for the transport of a tool server: every address is checked before a packet is sent there, redirects are
 * refused, nothing is decompressed (a few bytes must not become gigabytes), and an answer has an end.
 */
export function guardedFetch(guard: AddressGuard): GuardedFetch {
  const dispatcher = new Agent({
    allowH2: false,
    connect: { lookup: guard.lookup, timeout: CONNECT_MS },
    // Tools take their time and streams are silent: who waits has a clock of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    fetch: async (address, init = {}) => {
      const url = publicUrl(address.toString(), guard);
      const headers = new Headers(init.headers);
      headers.set('accept-encoding', 'identity');
      headers.set('user-agent', 'agentline');
      const answer = await send(url, {
        dispatcher,
        method: init.method === 'POST' || init.method === 'DELETE' ? init.method : 'GET',
        headers: Object.fromEntries(headers),
        body: typeof init.body === 'string' ? init.body : null,
        signal: init.signal ?? null,
      });
      return toResponse(answer);
    },
    close: () => dispatcher.destroy(),
  };
}

async function send(
  url: URL,
  options: Parameters<typeof request<null>>[1],
): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, options);
  } catch (error) {
    if (error instanceof ToolError) throw new NotDelivered(error.message, { cause: error });
    const code = codeOf(error);
    if (code === undefined || !NOT_DELIVERED.test(code)) throw error;
    throw new NotDelivered(`The tool server cannot be reached: ${code}.`, { cause: error });
  }
}

function codeOf(error: unknown): string | undefined {
  // Several addresses were tried: node:net gathers their errors.
  const { errors } = error as { errors?: unknown[] };
  const { code } = (errors?.[0] ?? error) as NodeJS.ErrnoException;
  return code;
}

function toResponse({ statusCode: status, headers: raw, body }: Dispatcher.ResponseData): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw))
    for (const text of [value ?? []].flat()) headers.append(name, text);
  const problem = problemOf(status, headers);
  if (problem !== undefined || WITHOUT_BODY.has(status)) body.once('error', () => undefined).destroy();
  if (problem !== undefined) throw problem;
  return new Response(WITHOUT_BODY.has(status) ? null : bounded(body), { status, headers });
}

/** Where a redirect or a sign-in leads is for the server to say and not for us to follow. */
function problemOf(status: number, headers: Headers): Error | undefined {
  if (status >= 300 && status < 400)
    return new NotDelivered(
      `The tool server answered ${status}, a redirect, which is not followed. Configure its final address.`,
    );
  if (status === 401)
    return new NotDelivered(
      'The tool server asks for a sign-in (401). Configure a header with a token: no sign-in page and no OAuth metadata is fetched.',
    );
  const encoding = headers.get('content-encoding') ?? 'identity';
  return encoding.toLowerCase() === 'identity'
    ? undefined
    : new Error(`The tool server answered ${status} with a compressed body, which was not asked for.`);
}

function bounded(body: Dispatcher.ResponseData['body']): ReadableStream<Uint8Array> {
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let left = MAX_BYTES;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) return controller.close();
      left -= value.length;
      if (left < 0) {
        body.once('error', () => undefined).destroy();
        throw new Error(`The tool server's answer has more than ${MAX_BYTES} bytes.`);
      }
      controller.enqueue(value);
    },
    cancel() {
      body.once('error', () => undefined).destroy();
    },
  });
}
