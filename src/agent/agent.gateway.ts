import { UseFilters, UseGuards } from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { Requires } from '../auth/access.decorator.js';
import type { SocketRequest } from './requests.js';
import type { AgentSocket } from './socket/agent-socket.js';
import { SocketErrorFilter } from './socket/socket-error.filter.js';
import { SocketLimitsGuard } from './socket/socket-limits.guard.js';
import { SocketGuard } from './socket/socket.guard.js';
import type { SocketReply } from './socket/socket-inbox.js';
import { SocketRequestPipe } from './socket/socket-request.pipe.js';
import { SocketViews } from './socket/socket-views.service.js';

/**
 * The socket (wire contract §6): one method an event. Who is asking was settled before the upgrade; what they may is
 * asked for each event, where the method names it.
 */
@WebSocketGateway({ path: '/api/agent/ws' })
@UseFilters(SocketErrorFilter)
@UseGuards(SocketLimitsGuard, SocketGuard)
export class AgentGateway {
  constructor(private readonly views: SocketViews) {}

  @SubscribeMessage('start')
  @Requires('write')
  start(
    @ConnectedSocket() socket: AgentSocket,
    @MessageBody(new SocketRequestPipe('start')) request: SocketRequest<'start'>,
  ): Promise<SocketReply> {
    return this.views.start(socket, request);
  }

  @SubscribeMessage('subscribe')
  @Requires('read')
  subscribe(
    @ConnectedSocket() socket: AgentSocket,
    @MessageBody(new SocketRequestPipe('subscribe')) request: SocketRequest<'subscribe'>,
  ): Promise<SocketReply> {
    return this.views.subscribe(socket, request);
  }

  @SubscribeMessage('unsubscribe')
  unsubscribe(
    @ConnectedSocket() socket: AgentSocket,
    @MessageBody(new SocketRequestPipe('unsubscribe')) request: SocketRequest<'unsubscribe'>,
  ): SocketReply {
    return this.views.unsubscribe(socket, request);
  }

  @SubscribeMessage('cancel')
  @Requires('write')
  cancel(
    @ConnectedSocket() socket: AgentSocket,
    @MessageBody(new SocketRequestPipe('cancel')) request: SocketRequest<'cancel'>,
  ): Promise<SocketReply> {
    return this.views.cancel(socket, request);
  }

  @SubscribeMessage('decide')
  @Requires('decide')
  decide(
    @ConnectedSocket() socket: AgentSocket,
    @MessageBody(new SocketRequestPipe('decide')) request: SocketRequest<'decide'>,
  ): Promise<SocketReply> {
    return this.views.decide(socket, request);
  }

  @SubscribeMessage('ping')
  ping(@MessageBody(new SocketRequestPipe('ping')) _request: SocketRequest<'ping'>): SocketReply {
    return { data: {} };
  }
}
