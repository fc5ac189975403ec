import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { ViewedEvent } from './event-list.js';
import { SseParser, type SseBlock } from './wire/sse-parser.js';
import { within } from './until.js';

export interface SseOptions {
  headers?: OutgoingHttpHeaders;
  /** A body makes it a POST with JSON. */
  body?: unknown;
  /** Sent as the `Last-Event-ID` header. */
  lastEventId?: string | undefined;
  /** Cuts the connection after so many bytes of the body, or so many blocks. */
  cutAfterBytes?: number;
  cutAfterBlocks?: number;
  /** Reads nothing of the body before `read()` is called. */
  stopped?: boolean;
}

/** How a response came to its end: in the usual way, cut by this client, or broken by the server. */
export type SseEnd = 'end' | 'cut' | 'broken';

/** One response of the stream route, read by bytes. */
export class SseStream {
  readonly parser: SseParser;
  readonly ended: Promise<SseEnd>;
  /** The body of an answer that is not a stream. */
  body = '';
  bytes = 0;
  private waiters: (() => void)[] = [];
  private taken = 0;
  private over: SseEnd | undefined;

  constructor(
    private readonly response: IncomingMessage,
    private readonly options: SseOptions,
  ) {
    this.parser = new SseParser(() => this.onBlock());
    this.ended = new Promise((resolve) => {
      const finish = (end: SseEnd) => {
        this.over ??= end;
        resolve(this.over);
        this.wake();
      };
      response.on('end', () => finish('end'));
      response.on('error', () => finish('broken'));
      response.on('close', () => finish('broken'));
    });
    if (!options.stopped) this.read();
  }

  get status(): number {
    return this.response.statusCode!;
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  get blocks(): SseBlock[] {
    return this.parser.blocks;
  }

  /** The events of the log seen so far: what has no id belongs to this viewer alone and is left out. */
  get events(): ViewedEvent[] {
    return this.blocks.flatMap(({ event, id, data }) => (id === undefined ? [] : [{ event, id, data }]));
  }

  /** Starts to read, where the options said `stopped`. */
  read(): void {
    this.response.on('data', (chunk: Buffer) => this.take(chunk));
  }

  /** The next block, or undefined when the response is over. */
  async next(ms = 10_000): Promise<SseBlock | undefined> {
    while (this.taken >= this.blocks.length && this.over === undefined) {
      await within(ms, 'a block of the stream', new Promise<void>((resolve) => this.waiters.push(resolve)));
    }
    const block = this.blocks[this.taken];
    if (block) this.taken += 1;
    return block;
  }

  /** Reads on up to and with the first block that fits; undefined when the response ends before. */
  async nextWhere(fits: (block: SseBlock) => boolean, ms = 10_000): Promise<SseBlock | undefined> {
    for (;;) {
      const block = await this.next(ms);
      if (block === undefined || fits(block)) return block;
    }
  }

  /** Leaves like a viewer whose connection breaks. */
  cut(): void {
    this.over ??= 'cut';
    this.response.destroy();
  }

  private take(chunk: Buffer): void {
    if (this.over) return;
    const room = (this.options.cutAfterBytes ?? Infinity) - this.bytes;
    const part = chunk.length >= room ? chunk.subarray(0, room) : chunk;
    this.bytes += part.length;
    if (this.headers['content-type']?.startsWith('text/event-stream')) this.parser.push(part);
    else this.body += part.toString();
    if (chunk.length >= room) this.cut();
  }

  private onBlock(): void {
    if (this.blocks.length === this.options.cutAfterBlocks) this.cut();
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

/** Opens the stream; resolves when the headers are there, whatever the status. */
export async function openSse(url: string, options: SseOptions = {}): Promise<SseStream> {
  const headers: OutgoingHttpHeaders = { accept: 'text/event-stream', ...options.headers };
  if (options.lastEventId !== undefined) headers['last-event-id'] = options.lastEventId;
  if (options.body !== undefined) headers['content-type'] ??= 'application/json';
  const method = options.body === undefined ? 'GET' : 'POST';
  const call = request(url, { method, headers, agent: false });
  call.end(options.body === undefined ? undefined : JSON.stringify(options.body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  call.on('error', () => response.destroy());
  return new SseStream(response, options);
}

/** Opens the stream and reads it to its end. */
export async function readSse(url: string, options: SseOptions = {}, ms = 20_000): Promise<SseStream> {
  const stream = await openSse(url, options);
  await within(ms, `the end of ${url}`, stream.ended);
  return stream;
}
