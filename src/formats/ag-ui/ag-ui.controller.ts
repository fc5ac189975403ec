import { Body, Controller, HttpCode, HttpStatus, Post, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { type ReceiptView, receiptView, viewReceipt } from '../../agent/views.js';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { AgUiStream } from './ag-ui-stream.service.js';
import { AgUiRuns } from './ag-ui.service.js';
import { type CancelInput, cancelInput, type RunAgentInput, runAgentInput } from './requests.js';

/** Runs for AG-UI 1.0: what `HttpAgent` of `@ag-ui/client` posts to. */
@ApiTags('formats')
@Controller('api/formats/ag-ui')
export class AgUiController {
  constructor(
    private readonly runs: AgUiRuns,
    private readonly streams: AgUiStream,
  ) {}

  @ApiOperation({
    summary: 'AG-UI 1.0: start a run, go on with one that asked, or come back to one',
    description:
      'Said again with the same `threadId`, `runId` and message it starts nothing: the answer begins with what the ' +
      'run has said so far. Of `messages` only what the user said last counts; `tools` and `context` are not used, ' +
      '`state` is given back, of `forwardedProps` only `agentline: { agent, when_busy, on_disconnect }` is read.',
  })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({
    description: 'The events of AG-UI 1.0; the last one is RUN_FINISHED or RUN_ERROR',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  })
  @Audited('run.start')
  @Post()
  @HttpCode(HttpStatus.OK)
  run(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: runAgentInput }) input: RunAgentInput,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.streams.answer({ principal, request, response }, input);
  }

  @ApiOperation({ summary: 'AG-UI 1.0: end a run by the ids that the client gave it' })
  @ApiOkResponse({ standardSchema: receiptView })
  @Audited('run.cancel')
  @Post('cancel')
  @HttpCode(HttpStatus.OK)
  async cancel(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: cancelInput }) input: CancelInput,
  ): Promise<ReceiptView> {
    return viewReceipt(await this.runs.cancel(principal, input));
  }
}
