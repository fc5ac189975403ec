import { once } from 'node:events';
import { Injectable, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { HeartbeatWheel, Patience } from '../agent/heartbeat-wheel.js';
import type { Principal } from '../auth/principal.js';
import { Revocations } from '../auth/revocations.service.js';
import { AppError } from '../errors/app-error.js';
import { Limits } from '../limits/limits.service.js';
import { Metrics } from '../telemetry/metrics.js';
import { Shutdown } from '../telemetry/shutdown.js';

/** Silent in every known client: a comment line without the blank line that would end a block. */
const HEARTBEAT = ': hb\n';

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/** An HTTP exchange with the principal that the guard found. */
export interface Exchange {
  principal: Principal;
  request: Request;
  response: Response;
}

export interface StreamContent {
  headers?: Record<string, string>;
  /**
   * Whole blocks of server-sent events. Each is asked for when the socket has room, and then written; they end quietly
   * when the signal is aborted.
   */
  blocks(signal: AbortSignal): AsyncIterable<string>;
  /**
   * The last block, asked for at every end, so that no client takes a part for the whole.
   * @param error why it ends, if not by itself.
   * @returns undefined when nothing is missing.
   */
  ending(error: AppError): string | undefined;
}

/** Streams of other vocabularies over HTTP: with the limits, the heartbeats and the ends that our own have. */
@Injectable()
export class StreamResponse {
  private readonly logger = new Logger('StreamResponse');

  constructor(
    private readonly limits: Limits,
    private readonly revocations: Revocations,
    private readonly shutdown: Shutdown,
    private readonly wheel: HeartbeatWheel,
    private readonly metrics: Metrics,
  ) {}

  /**
   * To be asked before anything is started. Takes one of the principal's streams until the response is closed.
   * @throws AppError `not_acceptable`, `draining`, `too_many_requests`.
   */
  async admit({ principal, request, response }: Exchange): Promise<void> {
    if (request.accepts('text/event-stream') !== 'text/event-stream') {
      throw new AppError(
        'not_acceptable',
        'This route answers with text/event-stream: say so in Accept, or leave it out.',
      );
    }
    if (this.shutdown.begun) throw draining();
    const release = await this.limits.openStream(principal);
    if (response.closed) release();
    else response.once('close', release);
  }

  /** @returns when the response has ended. Never rejects. */
  async write({ principal, response }: Exchange, content: StreamContent): Promise<void> {
    const left = new AbortController();
    response.once('close', () => left.abort());
    if (response.closed) return;
    response.writeHead(200, { ...STREAM_HEADERS, ...content.headers }).flushHeaders();
    this.metrics.streamsOpen.inc({ transport: 'sse' });
    const watch = this.revocations.watch(principal);
    const turn = new AbortController();
    const gone = this.shutdown.stay(() => turn.abort(draining()));
    const signal = AbortSignal.any([left.signal, watch.signal, turn.signal]);
    const error = await this.writeAll(response, content, signal).catch((thrown: unknown) => thrown);
    const last = left.signal.aborted ? undefined : content.ending(this.known(signal.reason ?? error));
    response.end(last);
    gone();
    watch.stop();
    this.metrics.streamsOpen.dec({ transport: 'sse' });
  }

  /** One that takes nothing for three heartbeats although something waits for it is cut. */
  private async writeAll(response: Response, content: StreamContent, signal: AbortSignal): Promise<void> {
    const patience = new Patience();
    const beating = this.wheel.add(() => {
      if (patience.isOver(response.writableLength, takenOf(response))) response.destroy();
      else if (!response.writableNeedDrain && !response.writableEnded) response.write(HEARTBEAT);
    });
    response.once('close', () => beating.remove());
    for await (const block of content.blocks(signal)) {
      const hasRoom = response.write(block);
      beating.touch();
      if (signal.aborted) return;
      if (!hasRoom && response.writableNeedDrain) await once(response, 'drain', { signal });
    }
  }

  private known(error: unknown): AppError {
    if (error instanceof AppError) return error;
    if (error === undefined) return new AppError('not_found', 'There is no more of this run.');
    this.logger.error({ err: error }, 'A stream cannot be read any further');
    return new AppError(
      'internal',
      'The stream cannot be read any further. The run goes on: ask for it again.',
    );
  }
}

function draining(): AppError {
  return new AppError(
    'draining',
    'The server is shutting down. The run goes on: ask for it again in a moment.',
    {
      retryAfter: 1,
    },
  );
}

/** Bytes that this connection's peer, or the kernel for it, has taken. */
function takenOf({ socket }: Response): number {
  return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
}
