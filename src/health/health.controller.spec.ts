import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { ProblemFilter } from '../errors/problem.filter.js';
import { Shutdown } from '../telemetry/shutdown.js';
import { HealthController } from './health.controller.js';
import { HealthRepository } from './health.repository.js';

let app: INestApplication;
let origin: string;

/** What the database does when it is asked; set by each test. */
let answer: () => Promise<void>;

beforeEach(async () => {
  answer = async () => {};
  const module = await Test.createTestingModule({
    imports: [TerminusModule.forRoot({ logger: false })],
    controllers: [HealthController],
    providers: [Shutdown, { provide: HealthRepository, useValue: { ping: () => answer() } }],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});

afterEach(() => app.close());

async function ready() {
  const response = await fetch(`${origin}/health/ready`);
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, code: body.code, text: JSON.stringify(body) };
}

describe('health', () => {
  it('is live and ready while the database answers, and neither is cached', async () => {
    const live = await fetch(`${origin}/health/live`);
    expect(await live.json()).toEqual({ status: 'ok' });
    expect(live.headers.get('cache-control')).toContain('no-store');
    expect((await ready()).status).toBe(200);
  });

  it('is not ready when the database fails, and does not say how it failed', async () => {
    answer = async () => {
      throw new Error('connect ECONNREFUSED 10.0.0.7:5432');
    };
    const { status, code, text } = await ready();
    expect({ status, code }).toEqual({ status: 503, code: 'unavailable' });
    expect(text).not.toContain('10.0.0.7');
  });

  it('is not ready when the database does not answer in time', async () => {
    expect(app.get(HealthController).databaseTimeout).toBe(2_000);
    app.get(HealthController).databaseTimeout = 5;
    answer = () => new Promise(() => {});
    expect(await ready()).toMatchObject({ status: 503, code: 'unavailable' });
    expect((await fetch(`${origin}/health/live`)).status).toBe(200);
  });

  it('is not ready from the moment of a shutdown, but live', async () => {
    app.get(Shutdown).begin();
    expect(await ready()).toMatchObject({ status: 503, code: 'draining' });
    expect((await fetch(`${origin}/health/live`)).status).toBe(200);
  });
});
