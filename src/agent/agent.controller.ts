import { Body, Controller, Headers, Query, Req, RequestMethod, Res, Sse } from '@nestjs/common';
import type { MessageEvent } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { Audited } from '../audit/audited.decorator.js';
import { AcceptsTicket, CurrentPrincipal } from '../auth/access.decorator.js';
import type { Principal } from '../auth/principal.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { IdempotencyKey } from './idempotency-key.decorator.js';
import { type ReadStream, readStream, type StartStream, startStream } from './requests.js';
import { SseStream } from './sse/sse-stream.service.js';

/** The stream itself: one route, two ways in. */
@ApiTags('stream')
@Controller()
export class AgentController {
  constructor(private readonly streams: SseStream) {}

  /** Server-sent events of a session's run, for `EventSource` (WHATWG HTML §9.2). */
  @ApiOperation({ summary: 'The events of a session’s run, from the beginning or after a cursor' })
  @Refuses('not_found', 'not_acceptable')
  @Audited('stream.read')
  @AcceptsTicket()
  @Sse('api/agent/stream')
  stream(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: readStream }) query: ReadStream,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<Observable<MessageEvent>> {
    return this.streams.follow(
      { principal, request, response },
      {
        sessionId: query.session_id,
        runId: query.run_id,
        cursor: lastEventId || query.last_event_id,
        follow: query.follow,
      },
    );
  }

  /** Starts a run and answers with its stream, for `fetch` and `curl`. */
  @ApiOperation({ summary: 'Start a run, and a session where none is named; the answer is its stream' })
  @Refuses(
    'not_found',
    'not_acceptable',
    'session_busy',
    'idempotency_mismatch',
    'budget_exceeded',
    'draining',
  )
  @Audited('run.start')
  @Sse('api/agent/stream', { method: RequestMethod.POST })
  start(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: startStream }) body: StartStream,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<Observable<MessageEvent>> {
    return this.streams.start(
      { principal, request, response },
      {
        sessionId: body.session_id,
        content: body.content,
        agent: body.agent,
        whenBusy: body.when_busy,
        onDisconnect: body.on_disconnect,
        idempotencyKey,
      },
    );
  }
}
