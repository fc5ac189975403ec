import { Agent, type Dispatcher, request } from 'undici';
import { ToolError } from '../tool-error.js';
import type { AddressGuard } from '../address-guard.js';
import { publicUrl } from '../public-url.js';

export interface Page {
  /** Where the text came from in the end, after redirects. */
  url: string;
  status: number;
  content_type: string;
  text: string;
  /** Whether the text was longer than what was read. */
  truncated: boolean;
}

export interface PageLimits {
  /** For everything: names, connections, redirects, body. */
  timeoutMs: number;
  /** Bytes read of the body. */
  maxBytes: number;
  maxRedirects: number;
}

const LIMITS: PageLimits = { timeoutMs: 10_000, maxBytes: 1024 * 1024, maxRedirects: 5 };
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const READABLE = /^(text\/[\w.+-]+|application\/(json|xml|[\w.-]+\+(json|xml)))$/;
const HEADERS = {
  accept: 'text/html, text/*;q=0.9, application/json;q=0.9, application/xml;q=0.8',
  // Nothing is decompressed here: a few bytes must not become gigabytes.
  'accept-encoding': 'identity',
  'user-agent': 'agentline',
};

/** Fetches text from public addresses: every address is checked before a packet is sent there. */
export class PageFetcher {
  constructor(
    private readonly guard: AddressGuard,
    private readonly limits: PageLimits = LIMITS,
  ) {}

  /**
   * Fetches one page by GET. An HTTP error status is an answer like any other.
   * @throws ToolError when the address is refused, does not answer in time, or answers with anything but text.
   * Throws the signal's reason when `signal` is aborted; the connection is closed then.
   */
  async fetch(address: string, signal: AbortSignal): Promise<Page> {
    const url = publicUrl(address, this.guard);
    const deadline = AbortSignal.timeout(this.limits.timeoutMs);
    const agent = new Agent({ allowH2: false, connect: { lookup: this.guard.lookup } });
    try {
      return await this.follow(url, agent, AbortSignal.any([signal, deadline]));
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.aborted) throw new ToolError(`${url.href} took longer than ${this.limits.timeoutMs} ms.`);
      throw explain(url, error);
    } finally {
      await agent.destroy();
    }
  }

  private async follow(start: URL, dispatcher: Dispatcher, signal: AbortSignal): Promise<Page> {
    let url = start;
    for (let redirects = 0; redirects <= this.limits.maxRedirects; redirects += 1) {
      const response = await request(url, { dispatcher, signal, headers: HEADERS });
      const location = response.headers['location'];
      if (!REDIRECTS.has(response.statusCode) || typeof location !== 'string')
        return this.read(url, response);
      leave(response);
      url = publicUrl(location, this.guard, url);
    }
    throw new ToolError(`${start.href} redirects more than ${this.limits.maxRedirects} times.`);
  }

  private async read(url: URL, response: Dispatcher.ResponseData): Promise<Page> {
    const { statusCode: status, headers } = response;
    const contentType = String(headers['content-type'] ?? '');
    const problem = unreadable(contentType, String(headers['content-encoding'] ?? 'identity'));
    if (problem !== undefined) {
      leave(response);
      throw new ToolError(`${url.href} answered ${status} ${problem}`);
    }
    const chunks: Buffer[] = [];
    let left = this.limits.maxBytes;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, Math.max(0, left)));
      left -= chunk.length;
      if (left < 0) break;
    }
    const truncated = left < 0;
    const text = decode(Buffer.concat(chunks), contentType, truncated);
    return { url: url.href, status, content_type: contentType, text, truncated };
  }
}

function unreadable(contentType: string, encoding: string): string | undefined {
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!READABLE.test(mediaType)) {
    return `with ${mediaType || 'no content type'}: only text, JSON and XML can be read.`;
  }
  return encoding.toLowerCase() === 'identity'
    ? undefined
    : 'with a compressed body, which was not asked for.';
}

/** A body that is not read must be closed; that it ends early is then no error. */
function leave({ body }: Dispatcher.ResponseData): void {
  body.once('error', () => undefined).destroy();
}

/** By the label of the header (WHATWG Encoding), else as UTF-8. A character cut at the end is dropped. */
function decode(bytes: Buffer, contentType: string, truncated: boolean): string {
  const label = /charset="?([\w-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(label).decode(bytes, { stream: truncated });
  } catch {
    // An unknown label; without the fatal option nothing else throws.
    return new TextDecoder().decode(bytes, { stream: truncated });
  }
}

/** Errors of the network have a code; their messages may name addresses of the inside. */
function explain(url: URL, error: unknown): unknown {
  if (error instanceof ToolError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined
    ? error
    : new ToolError(`${url.href} could not be fetched: ${code}.`, { cause: error });
}
