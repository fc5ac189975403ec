import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { PERMISSION } from '../../auth/access.decorator.js';
import { Accounts } from '../../auth/accounts.service.js';
import { may } from '../../auth/permissions.js';
import type { Permission } from '../../auth/principal.js';
import { AppError } from '../../errors/app-error.js';
import type { AgentSocket } from './agent-socket.js';

/**
 * Whether a socket's user may do what its message asks for, by the roles of this moment: those with which it was
 * opened may be hours old. What names no `@Requires` touches nothing that is stored, and is not asked about.
 */
@Injectable()
export class SocketGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly accounts: Accounts,
  ) {}

  /** @throws AppError `forbidden`; `unauthenticated` when the credentials have ended. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const handler = context.getHandler();
    const needed = this.reflector.get<Permission | undefined>(PERMISSION, handler);
    if (needed === undefined) return true;
    const socket = context.switchToWs().getClient<AgentSocket>();
    const principal = await this.accounts.confirm(socket.principal);
    if (principal === undefined) {
      throw new AppError('unauthenticated', 'The credentials have ended. Sign in again.');
    }
    socket.renew(principal);
    if (may(principal, needed)) return true;
    throw new AppError('forbidden', 'Your role, or the scope of your key, does not include this.');
  }
}
