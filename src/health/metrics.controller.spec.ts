import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Authenticator } from '../auth/authenticator.service.js';
import type { Principal, Role } from '../auth/principal.js';
import { AppError } from '../errors/app-error.js';
import { ProblemFilter } from '../errors/problem.filter.js';
import { Dispatcher } from '../runs/dispatcher.service.js';
import { Metrics } from '../telemetry/metrics.js';
import { metricsConfig } from './metrics.config.js';
import { MetricsController } from './metrics.controller.js';
import { RunMetrics } from './run-metrics.service.js';

const TOKEN = 'a-token-for-the-scraper';
let app: INestApplication;

afterEach(() => app.close());

/** `roles`: those of who asks; none: nobody is signed in. */
async function askAs(roles: Role[] | undefined, token: string | undefined, authorization?: string) {
  const authenticate = async (): Promise<Principal> => {
    if (!roles) throw new AppError('unauthenticated', 'Sign in.');
    return {
      userId: 'usr_1',
      tenantId: 't',
      email: null,
      roles,
      via: 'bearer',
      loginId: null,
      expiresAt: null,
    };
  };
  const module = await Test.createTestingModule({
    controllers: [MetricsController],
    providers: [
      Metrics,
      RunMetrics,
      { provide: Dispatcher, useValue: { activeRuns: 0 } },
      { provide: metricsConfig.KEY, useValue: { token } },
      { provide: Authenticator, useValue: { authenticate } },
    ],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/metrics`, { headers: authorization ? { authorization } : {} });
}

describe('GET /metrics', () => {
  it.each<[string, number, Role[] | undefined, string | undefined, string | undefined]>([
    ['nobody', 401, undefined, TOKEN, undefined],
    ['a member', 403, ['member'], TOKEN, 'Bearer jwt'],
    ['an administrator', 200, ['member', 'admin'], undefined, 'Bearer jwt'],
    ['the bearer of METRICS_TOKEN', 200, undefined, TOKEN, `Bearer ${TOKEN}`],
    ['the bearer of another token', 401, undefined, TOKEN, `Bearer ${TOKEN}x`],
    ['the token in another scheme', 401, undefined, TOKEN, `Basic ${TOKEN}`],
    ['a bearer where no METRICS_TOKEN is set', 401, undefined, undefined, 'Bearer undefined'],
    ['an empty bearer where none is set', 401, undefined, undefined, 'Bearer '],
  ])('answers %s with %d', async (_name, status, roles, token, authorization) => {
    const response = await askAs(roles, token, authorization);
    expect(response.status).toBe(status);
  });

  it('answers in the format of Prometheus', async () => {
    const response = await askAs(['admin'], undefined);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.text()).toContain('\nagentline_runs_active 0\n');
  });
});
