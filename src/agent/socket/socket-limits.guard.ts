import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Limits } from '../../limits/limits.service.js';
import type { AgentSocket } from './agent-socket.js';
import type { SocketMessage } from './socket-inbox.js';

/** Each message is a request of its socket's user, as it would be over HTTP. */
@Injectable()
export class SocketLimitsGuard implements CanActivate {
  constructor(private readonly limits: Limits) {}

  /** @throws AppError `too_many_requests`, `payload_too_large` */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const socket = context.switchToWs().getClient<AgentSocket>();
    const { bytes } = context.switchToWs().getData<SocketMessage>();
    await this.limits.admit(socket.principal, bytes);
    return true;
  }
}
