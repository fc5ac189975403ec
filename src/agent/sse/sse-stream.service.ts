import { HttpException, HttpStatus, Injectable, type MessageEvent } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Observable } from 'rxjs';
import type { Principal } from '../../auth/principal.js';
import { Revocations } from '../../auth/revocations.service.js';
import { AppError } from '../../errors/app-error.js';
import { Metrics } from '../../telemetry/metrics.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { AgentService, type StartRequest } from '../agent.service.js';
import { HeartbeatWheel } from '../heartbeat-wheel.js';
import type { FollowRequest, View } from '../view-plan.js';
import { STREAM_HEADERS, writeEvents } from './sse-writer.js';

/** An HTTP exchange with the principal that the guard found. */
export interface Exchange {
  principal: Principal;
  request: Request;
  response: Response;
}

/** Views over HTTP: everything that can be refused is refused before the first byte, after it there are events only. */
@Injectable()
export class SseStream {
  constructor(
    private readonly agent: AgentService,
    private readonly revocations: Revocations,
    private readonly shutdown: Shutdown,
    private readonly wheel: HeartbeatWheel,
    private readonly metrics: Metrics,
  ) {}

  /** A view of what is there and what comes. */
  async follow(exchange: Exchange, follow: FollowRequest): Promise<Observable<MessageEvent>> {
    requireAcceptable(exchange.request);
    return this.observe(exchange, await this.agent.follow(exchange.principal, follow));
  }

  /** Starts a run and answers with its stream. */
  async start(exchange: Exchange, start: StartRequest): Promise<Observable<MessageEvent>> {
    requireAcceptable(exchange.request);
    const { principal } = exchange;
    const run = await this.agent.start(principal, start);
    const follow = { sessionId: run.sessionId, runId: run.id, follow: false };
    return this.observe(exchange, await this.agent.follow(principal, follow));
  }

  /**
   * A view as the Observable that Nest's `@Sse` subscribes to. It emits nothing: Nest's own frames know neither
   * backpressure nor shared text, so the events are written beside it, and its end is Nest's end.
   */
  private observe(exchange: Exchange, view: View): Observable<MessageEvent> {
    if (view === 'over') throw new HttpException('', HttpStatus.NO_CONTENT);
    const headersOut = nameHeaders(exchange.response);
    return new Observable((subscriber) => {
      const left = new AbortController();
      headersOut
        .then(() => this.write(exchange, view, left.signal))
        .then(
          () => subscriber.complete(),
          () => exchange.response.destroy(),
        );
      return () => left.abort();
    });
  }

  private async write(
    { principal, response }: Exchange,
    view: Exclude<View, 'over'>,
    left: AbortSignal,
  ): Promise<void> {
    const watch = this.revocations.watch(principal);
    const signal = AbortSignal.any([left, watch.signal, this.shutdown.signal]);
    this.metrics.streamsOpen.inc({ transport: 'sse' });
    try {
      await writeEvents(response, view.batches(signal), signal, this.wheel);
    } finally {
      watch.stop();
      this.metrics.streamsOpen.dec({ transport: 'sse' });
    }
  }
}

function requireAcceptable(request: Request): void {
  if (request.accepts('text/event-stream') === 'text/event-stream') return;
  throw new AppError(
    'not_acceptable',
    'This route answers with text/event-stream: say so in Accept, or leave it out.',
  );
}

/**
 * Nest writes headers of its own when it commits those of a stream. The wire contract names others, so ours are
 * put in their place in that very call.
 * @returns when the headers are out and events may be written.
 */
function nameHeaders(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const writeHead = response.writeHead.bind(response);
    response.writeHead = () => {
      response.writeHead = writeHead;
      queueMicrotask(resolve);
      return writeHead(HttpStatus.OK, STREAM_HEADERS);
    };
  });
}
