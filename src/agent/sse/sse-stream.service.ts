import { HttpException, HttpStatus, Injectable, Logger, type MessageEvent } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Observable } from 'rxjs';
import { noteTarget } from '../../audit/notes.js';
import type { Principal } from '../../auth/principal.js';
import { Revocations } from '../../auth/revocations.service.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import { Shutdown } from '../../telemetry/shutdown.js';
import { AgentService, type StartRequest } from '../agent.service.js';
import { HeartbeatWheel } from '../heartbeat-wheel.js';
import type { FollowRequest, View } from '../view-plan.js';
import { OpenStreams } from './open-streams.service.js';
import { STREAM_HEADERS, writeEvents } from './sse-writer.js';

/** Why a view ends. Nobody asks; without it the platform makes an error with its stack for each. */
const LEFT = 'the viewer has left';

/** Milliseconds of a stream that is opened while the server drains. */
const LAST_LOOK_MS = 100;

/** An HTTP exchange with the principal that the guard found. */
export interface Exchange {
  principal: Principal;
  request: Request;
  response: Response;
}

/** Views over HTTP: everything that can be refused is refused before the first byte, after it there are events only. */
@Injectable()
export class SseStream {
  private readonly logger = new Logger('SseStream');

  constructor(
    private readonly agent: AgentService,
    private readonly revocations: Revocations,
    private readonly shutdown: Shutdown,
    private readonly wheel: HeartbeatWheel,
    private readonly streams: OpenStreams,
  ) {}

  /**
   * A view of what is there and what comes.
   * @throws AppError `too_many_requests` when the principal has as many streams as allowed.
   */
  async follow(exchange: Exchange, follow: FollowRequest): Promise<Observable<MessageEvent>> {
    requireAcceptable(exchange.request);
    const view = await this.agent.follow(exchange.principal, follow);
    if (view !== 'over') await this.streams.admit(exchange.principal, exchange.response);
    return this.observe(exchange, view);
  }

  /**
   * Starts a run and answers with its stream. Said again with a cursor, as some clients do when a connection
   * breaks, it starts nothing and goes on after the cursor.
   */
  async start(exchange: Exchange, start: StartRequest): Promise<Observable<MessageEvent>> {
    requireAcceptable(exchange.request);
    const { principal, request, response } = exchange;
    const cursor = cursorOf(request);
    if (cursor !== '') {
      const sessionId = start.sessionId ?? (await this.agent.sessionOf(principal, cursor));
      return this.follow(exchange, { sessionId, cursor, follow: false });
    }
    // Before anything is started: who is told to come back must not find it done.
    await this.streams.admit(principal, response);
    const run = await this.agent.start(principal, start);
    noteTarget(request, run.id, run.sessionId);
    return this.observe(exchange, this.agent.watch(run));
  }

  /**
   * A view as the Observable that Nest's `@Sse` subscribes to. It emits nothing: Nest's own frames know neither
   * backpressure nor shared text, so the events are written beside it, and its end is Nest's end.
   */
  private observe(exchange: Exchange, view: View): Observable<MessageEvent> {
    if (view === 'over') throw new HttpException('', HttpStatus.NO_CONTENT);
    const headersOut = nameHeaders(exchange.response);
    return new Observable((subscriber) => {
      const leaving = new AbortController();
      headersOut
        .then(() => this.write(exchange, view, leaving))
        .then(
          () => subscriber.complete(),
          (error: unknown) => this.breakOff(exchange.response, error),
        );
      return () => leaving.abort(LEFT);
    });
  }

  /** A broken connection is what every client comes back from, with its cursor. */
  private breakOff(response: Response, error: unknown): void {
    // Not shown any more: who comes back is told so, and `EventSource` stops.
    if (hasCode(error, 'not_found')) return void response.end();
    if (hasCode(error, 'unavailable')) {
      this.logger.warn({ err: error }, 'A stream ends, since its events cannot be read now');
      response.end();
      return;
    }
    this.logger.error(
      { err: error },
      'A stream lost its view; it is cut, so that it comes back with its cursor',
    );
    response.destroy();
  }

  /** @param leaving aborted by whatever ends the view: one for all, since each signal more costs every event. */
  private async write(
    { principal, request, response }: Exchange,
    view: Exclude<View, 'over'>,
    leaving: AbortController,
  ): Promise<void> {
    const leave = () => leaving.abort(LEFT);
    forgetHeaders(request);
    const ended = this.streams.opened(response);
    const unwatch = this.revocations.onEnd(principal, leave);
    // Who comes while the server drains gets what is there already, and with it the time to come back after.
    const lastLook = this.shutdown.begun ? setTimeout(leave, LAST_LOOK_MS) : undefined;
    const gone = lastLook === undefined ? this.shutdown.stay(leave) : () => clearTimeout(lastLook);
    try {
      await writeEvents(response, view.batches(leaving.signal), leaving.signal, this.wheel);
    } finally {
      gone();
      unwatch();
      ended();
    }
  }
}

/** A stream may be open for days: what it was asked with, credentials among it, is not kept for so long. */
function forgetHeaders(request: Request): void {
  request.headers = {};
  request.rawHeaders = [];
}

/** Empty: none. One that is said twice is none of any event, but it is one. */
function cursorOf(request: Request): string {
  const { last_event_id: asked = '' } = request.query;
  return request.get('last-event-id') || (typeof asked === 'string' ? asked : 'said twice');
}

function requireAcceptable(request: Request): void {
  // With the charset that is sent: some clients name it, and those who do not mean any.
  if (request.accepts('text/event-stream;charset=utf-8') !== false) return;
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
      leaveOutFirstLine(response);
      queueMicrotask(resolve);
      return writeHead(HttpStatus.OK, STREAM_HEADERS);
    };
  });
}

/** Behind the headers Nest writes a blank line, which @microsoft/fetch-event-source hands on as an empty message. */
function leaveOutFirstLine(response: Response): void {
  const write = response.write.bind(response);
  response.write = ((...written: Parameters<typeof write>) => {
    response.write = write;
    return written[0] === '\n' || write(...written);
  }) as typeof write;
}
