import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Audited } from '../audit/audited.decorator.js';
import { CurrentPrincipal, Requires } from '../auth/access.decorator.js';
import type { Principal } from '../auth/principal.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { AgentService } from './agent.service.js';
import { IdempotencyKey } from './idempotency-key.decorator.js';
import { type Decide, decide, nothing, type PostMessage, postMessage } from './requests.js';
import { RunViews } from './run-views.service.js';
import {
  type DecisionView,
  decisionView,
  type ReceiptView,
  receiptView,
  type RunList,
  runList,
  type RunView,
  runView,
  type StartedRun,
  startedRun,
  viewReceipt,
} from './views.js';

@ApiTags('runs')
@Controller('api/agent')
export class RunsController {
  constructor(
    private readonly agent: AgentService,
    private readonly views: RunViews,
  ) {}

  @ApiOperation({ summary: 'Say something: starts a run' })
  @ApiAcceptedResponse({ standardSchema: startedRun })
  @Refuses('session_busy', 'idempotency_mismatch', 'budget_exceeded', 'draining')
  @Audited('run.start')
  @Post('sessions/:id/messages')
  @HttpCode(HttpStatus.ACCEPTED)
  async postMessage(
    @CurrentPrincipal() principal: Principal,
    @Param('id') sessionId: string,
    @Body({ schema: postMessage }) body: PostMessage,
    @IdempotencyKey() idempotencyKey: string | undefined,
  ): Promise<StartedRun> {
    const { content, when_busy: whenBusy } = body;
    return { run: await this.views.start(principal, { sessionId, content, whenBusy, idempotencyKey }) };
  }

  @ApiOperation({ summary: 'Runs of a session, newest first' })
  @ApiOkResponse({ standardSchema: runList })
  @Get('sessions/:id/runs')
  async list(@CurrentPrincipal() principal: Principal, @Param('id') sessionId: string): Promise<RunList> {
    return { data: await this.views.list(principal, sessionId) };
  }

  @ApiOperation({ summary: 'One run' })
  @ApiOkResponse({ standardSchema: runView })
  @Get('runs/:id')
  find(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RunView> {
    return this.views.see(principal, id);
  }

  @ApiOperation({ summary: 'Runs of its sub-agents, the first one first' })
  @ApiOkResponse({ standardSchema: runList })
  @Get('runs/:id/sub_agents')
  async listSubAgents(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RunList> {
    return { data: await this.views.listSubAgents(principal, id) };
  }

  @ApiOperation({ summary: 'End a run; the receipt comes when nothing of it can follow' })
  @ApiOkResponse({ standardSchema: receiptView })
  @Audited('run.cancel')
  @Post('runs/:id/cancel')
  @HttpCode(HttpStatus.OK)
  async cancel(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: nothing }) _body: unknown,
  ): Promise<ReceiptView> {
    return viewReceipt(await this.agent.cancel(principal, id));
  }

  @ApiOperation({ summary: 'Delete a conversation; what runs in it is cancelled' })
  @ApiNoContentResponse({ description: 'Deleted' })
  @Audited('session.delete')
  @Delete('sessions/:id')
  @HttpCode(HttpStatus.NO_CONTENT)
  removeSession(@CurrentPrincipal() principal: Principal, @Param('id') sessionId: string): Promise<void> {
    return this.agent.remove(principal, sessionId);
  }

  @ApiOperation({ summary: 'Approve or deny a tool call that waits for it; the first decision stands' })
  @ApiOkResponse({ standardSchema: decisionView })
  @Refuses('conflict', 'approval_expired')
  @Audited('tool_call.decide', { keep: ['tool', 'decision'] })
  @Post('runs/:id/tool_calls/:tool_call_id/decision')
  @Requires('decide')
  @HttpCode(HttpStatus.OK)
  decide(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Param('tool_call_id') toolCallId: string,
    @Body({ schema: decide }) body: Decide,
  ): Promise<DecisionView> {
    return this.views.decide(principal, id, toolCallId, body);
  }
}
