import { once } from 'node:events';
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { ViewedEvent } from '../event-list.js';
import type { SseEnd } from '../sse-client.js';
import { SseParser } from '../wire/sse-parser.js';

const TICK_MS = 50;

/** A viewer of the stream route that takes so many bytes a second and no more. */
export class SlowViewer {
  readonly parser = new SseParser();
  readonly ended: Promise<SseEnd>;
  bytes = 0;

  private constructor(
    private readonly response: IncomingMessage,
    bytesPerSecond: number,
  ) {
    const ticks = setInterval(() => this.take(Math.ceil((bytesPerSecond * TICK_MS) / 1000)), TICK_MS);
    const { promise, resolve } = Promise.withResolvers<SseEnd>();
    this.ended = promise;
    response.on('end', () => resolve('end'));
    response.on('error', () => resolve('broken'));
    response.on('close', () => {
      clearInterval(ticks);
      resolve('broken');
    });
  }

  static async open(url: string, headers: OutgoingHttpHeaders, bytesPerSecond: number): Promise<SlowViewer> {
    const call = request(url, { headers: { accept: 'text/event-stream', ...headers }, agent: false }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    call.on('error', () => response.destroy());
    return new SlowViewer(response, bytesPerSecond);
  }

  get events(): ViewedEvent[] {
    return this.parser.blocks.flatMap(({ event, id, data }) =>
      id === undefined ? [] : [{ event, id, data }],
    );
  }

  cut(): void {
    this.response.destroy();
  }

  private take(most: number): void {
    for (let left = most; left > 0;) {
      const { readableLength } = this.response;
      const part = this.response.read(
        readableLength === 0 ? undefined : Math.min(left, readableLength),
      ) as Buffer | null;
      if (part === null) return;
      left -= part.length;
      this.bytes += part.length;
      this.parser.push(part);
    }
  }
}
