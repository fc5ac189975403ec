import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Response } from 'express';
import { bodyBytes } from '../../limits/body-bytes.js';
import { limitsConfig, type LimitsConfig } from '../../limits/limits.config.js';
import { type LimitAnswer, Limits } from '../../limits/limits.service.js';
import type { AuthenticatedRequest } from '../access.decorator.js';
import { tellRateLimit } from './rate-limit-headers.js';

/** Counts what the principal guard has let in; stands right behind it. Sockets count their messages themselves. */
@Injectable()
export class LimitsGuard implements CanActivate {
  constructor(
    private readonly limits: Limits,
    @Inject(limitsConfig.KEY) private readonly config: LimitsConfig,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const { principal } = request;
    if (principal === undefined) return true;
    const response = context.switchToHttp().getResponse<Response>();
    const tell = (answers: readonly LimitAnswer[]) => tellRateLimit(response, answers);
    await this.limits.takeRequest(principal, this.config.isSet ? tell : undefined);
    await this.limits.takeBytes(principal, bodyBytes(request));
    return true;
  }
}
