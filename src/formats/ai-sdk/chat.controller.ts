import { Body, Controller, Get, Headers, HttpCode, HttpStatus, Param, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { nothing } from '../../agent/requests.js';
import { Audited } from '../../audit/audited.decorator.js';
import { AcceptsTicket, CurrentPrincipal } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { AppError } from '../../errors/app-error.js';
import { Refuses } from '../../errors/refuses.decorator.js';
import { Chats } from './chats.service.js';
import { type ChatRequest, chatRequest, type StoppedChat, stoppedChat } from './requests.js';
import { type Dialect, dialectOf, USUAL_VERSION } from './ui-chunk.js';

const VERSION = 'x-ai-sdk-version';
const STREAM = {
  description: 'UI message stream of the AI SDK (protocol v1), as server-sent events.',
  content: { 'text/event-stream': { schema: { type: 'string' as const } } },
};
const NAMED_VERSION = {
  name: VERSION,
  required: false,
  schema: { enum: ['5', '6', '7'], default: USUAL_VERSION },
};

/** The endpoint of `DefaultChatTransport` of the package `ai`, versions 5 to 7. */
@ApiTags('ai-sdk')
@Controller('api/formats/ai-sdk/chat')
export class ChatController {
  constructor(private readonly chats: Chats) {}

  @ApiOperation({ summary: 'Say something in a chat, or decide on tool calls; the answer is the message' })
  @ApiHeader(NAMED_VERSION)
  @ApiOkResponse(STREAM)
  @Refuses('not_acceptable', 'session_busy', 'budget_exceeded', 'draining')
  @Audited('run.start')
  @Post()
  @HttpCode(HttpStatus.OK)
  post(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: chatRequest }) body: ChatRequest,
    @Headers(VERSION) version: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.chats.post({ principal, request, response }, body, readDialect(version));
  }

  @ApiOperation({ summary: 'The chat’s latest message, whole, and what comes of it' })
  @ApiHeader(NAMED_VERSION)
  @ApiOkResponse(STREAM)
  @ApiNoContentResponse({ description: 'There is nothing to resume.' })
  @Refuses('not_acceptable', 'draining')
  @Audited('stream.read')
  @AcceptsTicket()
  @Get(':id/stream')
  resume(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Headers(VERSION) version: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.chats.resume({ principal, request, response }, id, readDialect(version));
  }

  @ApiOperation({ summary: 'End what is being answered in the chat' })
  @ApiOkResponse({ standardSchema: stoppedChat })
  @Audited('run.cancel')
  @Post(':id/stop')
  @HttpCode(HttpStatus.OK)
  async stop(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: nothing }) _body: unknown,
  ): Promise<StoppedChat> {
    return { stopped: await this.chats.stop(principal, id) };
  }
}

/** A major version, or a whole one. @throws AppError `invalid_request` */
function readDialect(version = USUAL_VERSION): Dialect {
  const dialect = dialectOf(version.split('.', 1)[0] ?? '');
  if (dialect !== undefined) return dialect;
  throw new AppError('invalid_request', `${VERSION} takes 5, 6 or 7.`);
}
