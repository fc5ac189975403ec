import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import PQueue from 'p-queue';
import { retryLine, STREAM_HEADERS } from './sse-writer.js';

/**
 * Streams that are being opened at the same time: who is asking, and where they begin. What so many look up is asked
 * together, so more at once are fewer statements.
 */
const OPENING = 512;
/** Streams that wait for that. */
const WAITING = 2_000;
/** With which a response is over that never was a stream. */
const ENDS = ['close', 'finish'];

/**
 * Lets streams in some hundreds at a time, so that thousands who come back at once do not keep the database from those who
 * write. Who finds the queue full gets what keeps an `EventSource` alive: an empty stream that says when to come
 * back, spread out.
 */
@Injectable()
export class StreamAdmission implements NestMiddleware {
  private readonly queue = new PQueue({ concurrency: OPENING });
  private readonly opening = new WeakMap<Response, () => void>();

  use(request: Request, response: Response, next: NextFunction): void {
    if (request.method !== 'GET') return next();
    if (this.queue.size >= WAITING) {
      response.writeHead(200, STREAM_HEADERS).end(retryLine());
      return;
    }
    void this.queue.add(async () => {
      if (response.destroyed) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.opening.set(response, resolve);
      for (const end of ENDS) response.once(end, resolve);
      next();
      await promise;
      for (const end of ENDS) response.removeListener(end, resolve);
    });
  }

  /** The stream is open: the next may come. */
  opened(response: Response): void {
    this.opening.get(response)?.();
    this.opening.delete(response);
  }
}
