import { request } from 'undici';

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 5_000;

/** Statuses whose responses have no body (WHATWG Fetch §2.2.3). */
const WITHOUT_BODY = new Set([204, 205, 304]);

/** What of a request is needed here: the part of `fetch` that libraries of identity providers use. */
interface BoundedRequest {
  method?: string;
  headers?: Headers | Record<string, string> | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/**
 * `fetch` for what an identity provider answers: 5 s and 1 MB at most, whole when it returns, no redirects followed
 * (a 3xx is the answer), no compression.
 */
export async function boundedFetch(url: string, asked: BoundedRequest = {}): Promise<Response> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const headers = Object.fromEntries(new Headers(asked.headers).entries());
  const answer = await request(url, {
    method: (asked.method ?? 'GET') as 'GET' | 'POST',
    headers: { ...headers, 'accept-encoding': 'identity' },
    body: toBody(asked.body),
    // Asked so seldom that a kept connection would mostly be one that the other side is closing.
    reset: true,
    signal: asked.signal ? AbortSignal.any([asked.signal, limit]) : limit,
  });
  const bytes = await read(answer.body);
  const encoding = answer.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw new Error(`The answer is compressed (${String(encoding)}), unasked.`);
  return new Response(WITHOUT_BODY.has(answer.statusCode) ? null : bytes, {
    status: answer.statusCode,
    headers: Object.entries(answer.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    ),
  });
}

/** Forms are small and sent whole. */
function toBody(body: unknown): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string' || body instanceof URLSearchParams) return body.toString();
  throw new TypeError('Only text and forms are sent to identity providers.');
}

async function read(body: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // To leave the loop destroys the stream, and with it the connection.
    if (size > MAX_BYTES) throw new Error(`The answer is longer than ${MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
