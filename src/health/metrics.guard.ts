import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { ConfigType } from '@nestjs/config';
import type { Request } from 'express';
import { Authenticator } from '../auth/authenticator.service.js';
import { may } from '../auth/permissions.js';
import { AppError } from '../errors/app-error.js';
import { metricsConfig } from './metrics.config.js';

const BEARER = /^Bearer +(\S+)$/i;

/** Lets the bearer of METRICS_TOKEN through, where one is set, and administrators. */
@Injectable()
export class MetricsGuard implements CanActivate {
  constructor(
    @Inject(metricsConfig.KEY) private readonly config: ConfigType<typeof metricsConfig>,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    if (this.bearsToken(request)) return true;
    const principal = await this.authenticator.authenticate(request);
    if (may(principal, 'admin')) return true;
    throw new AppError('forbidden', 'Metrics are for administrators.');
  }

  private bearsToken(request: Request): boolean {
    const given = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (given === undefined || this.config.token === undefined) return false;
    return timingSafeEqual(digest(given), digest(this.config.token));
  }
}

/** Equal lengths for the comparison, whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
