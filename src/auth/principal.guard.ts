import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AppError } from '../errors/app-error.js';
import { OPEN, PERMISSION, STREAM, type AuthenticatedRequest, type Open } from './access.decorator.js';
import { authConfig, type AuthConfig } from './auth.config.js';
import { Authenticator } from './authenticator.service.js';
import { OriginPolicy } from './origin/origin-policy.js';
import { may } from './permissions.js';
import type { Permission } from './principal.js';

/** RFC 9110 §9.2.1 */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Stands before every HTTP route: lets in who `access.decorator.ts` says, as `request.principal`.
 * Sockets are let in at their handshake, by the socket adapter and `Authenticator`.
 */
@Injectable()
export class PrincipalGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
    private readonly origins: OriginPolicy,
    @Inject(authConfig.KEY) private readonly config: AuthConfig,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const targets = [context.getHandler(), context.getClass()];
    const changes = !SAFE_METHODS.has(request.method);
    if (this.isOpen(this.reflector.getAllAndOverride<Open | undefined>(OPEN, targets))) {
      if (changes) this.origins.checkPublicChange(request);
      return true;
    }
    const isStream = this.reflector.getAllAndOverride<boolean | undefined>(STREAM, targets) ?? false;
    const principal = await this.authenticator.authenticate(request, isStream);
    if (principal.via === 'cookie') {
      if (isStream) this.origins.checkStream(request);
      if (changes) this.checkChange(request);
    }
    const named = this.reflector.getAllAndOverride<Permission | undefined>(PERMISSION, targets);
    if (!may(principal, named ?? (changes ? 'write' : 'read'))) {
      throw new AppError('forbidden', 'Your role, or the scope of your key, does not include this.');
    }
    request.principal = principal;
    return true;
  }

  private isOpen(open: Open | undefined): boolean {
    return open === 'always' || (open === 'outside-production' && !this.config.production);
  }

  /** JSON only: what a form on another site can send without asking first is not taken. */
  private checkChange(request: Request): void {
    this.origins.checkChange(request);
    if (hasBody(request) && !isJson(request)) {
      throw new AppError('unsupported_media_type', 'Send JSON, with the content type application/json.');
    }
  }
}

/** RFC 9112 §6 */
function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function isJson({ headers }: Request): boolean {
  return /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
}
