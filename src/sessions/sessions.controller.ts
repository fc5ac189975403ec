import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Audited } from '../audit/audited.decorator.js';
import { CurrentPrincipal } from '../auth/access.decorator.js';
import type { Principal } from '../auth/principal.js';
import { Forks } from './forks.service.js';
import {
  changeSession,
  type ChangeSession,
  createSession,
  type CreateSession,
  forkSession,
  type ForkSession,
  listSessions,
  type ListSessions,
} from './requests.js';
import { SessionsService } from './sessions.service.js';
import {
  type MessageList,
  messageList,
  type SessionList,
  sessionList,
  type SessionView,
  sessionView,
  viewMessage,
  viewSession,
} from './views.js';

@ApiTags('sessions')
@Controller('api/agent/sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionsService,
    private readonly forks: Forks,
  ) {}

  @ApiOperation({ summary: 'Start a conversation' })
  @ApiCreatedResponse({ standardSchema: sessionView })
  @Audited('session.create')
  @Post()
  async create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createSession }) body: CreateSession,
  ): Promise<SessionView> {
    return viewSession(await this.sessions.create(principal, body), principal);
  }

  @ApiOperation({ summary: 'Own conversations, or those that others show, newest first' })
  @ApiOkResponse({ standardSchema: sessionList })
  @Get()
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: listSessions }) query: ListSessions,
  ): Promise<SessionList> {
    const { sessions, nextCursor } = await this.sessions.list(principal, query);
    return { data: sessions.map((session) => viewSession(session, principal)), next_cursor: nextCursor };
  }

  @ApiOperation({ summary: 'One conversation' })
  @ApiOkResponse({ standardSchema: sessionView })
  @Get(':id')
  async find(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<SessionView> {
    return viewSession(await this.sessions.see(principal, id), principal);
  }

  @ApiOperation({ summary: 'Change title, model, system prompt, agent or metadata' })
  @ApiOkResponse({ standardSchema: sessionView })
  @Audited('session.change')
  @Patch(':id')
  async change(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: changeSession }) body: ChangeSession,
  ): Promise<SessionView> {
    return viewSession(await this.sessions.change(principal, id, body), principal);
  }

  @ApiOperation({ summary: 'Copy a conversation up to and with a message: a new one that goes on by itself' })
  @ApiCreatedResponse({ standardSchema: sessionView })
  @Audited('session.fork')
  @Post(':id/fork')
  async fork(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: forkSession }) body: ForkSession,
  ): Promise<SessionView> {
    return viewSession(await this.forks.create(principal, id, body?.message_id), principal);
  }

  @ApiOperation({ summary: 'Its messages, as the model saw them' })
  @ApiOkResponse({ standardSchema: messageList })
  @Get(':id/messages')
  async messages(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<MessageList> {
    const messages = await this.sessions.listMessages(principal, id);
    return { data: messages.map(viewMessage) };
  }
}
