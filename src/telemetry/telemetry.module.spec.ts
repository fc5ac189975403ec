import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, type INestApplication, Injectable, Logger, Post } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { rootLogger } from './root-logger.js';
import { Shutdown } from './shutdown.js';
import { ROOT_LOGGER, TelemetryModule } from './telemetry.module.js';

/** Logs as any service does; the logger is not told of the request. */
@Injectable()
class Greeter {
  private readonly logger = new Logger('Greeter');

  greet() {
    this.logger.log('greeting');
  }
}

@Controller()
class Door {
  constructor(private readonly greeter: Greeter) {}

  @Post('greet')
  greet(@Body() body: unknown) {
    this.greeter.greet();
    return { body };
  }
}

let app: INestApplication;
let lines: Record<string, unknown>[];
let origin: string;
let written: () => void;

beforeEach(async () => {
  lines = [];
  written = () => {};
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      written();
      done();
    },
  });
  const module = await Test.createTestingModule({
    imports: [TelemetryModule],
    controllers: [Door],
    providers: [Greeter],
  })
    .overrideProvider(ROOT_LOGGER)
    .useValue(rootLogger({ level: 'info', pretty: false }, out))
    .compile();
  app = module.createNestApplication();
  TelemetryModule.attach(app);
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});

afterEach(() => app.close());

async function logged(msg: string) {
  for (;;) {
    const line = lines.find((candidate) => candidate.msg === msg);
    if (line) return line as { req: { id: string }; res: { status: number }; context: string };
    await new Promise<void>((resolve) => (written = resolve));
  }
}

function greet(body: string) {
  return fetch(`${origin}/greet`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
}

describe('telemetry in an application', () => {
  it('binds what is logged while a request is served to that request', async () => {
    const response = await greet('{}');
    const id = response.headers.get('x-request-id');
    expect(await logged('greeting')).toMatchObject({ context: 'Greeter', req: { id } });
    expect(await logged('request completed')).toMatchObject({ req: { id }, res: { status: 201 } });
  });

  it('gives an id and a line also to a request whose body is refused', async () => {
    const response = await greet('{"a":');
    expect(response.status).toBe(400);
    const id = response.headers.get('x-request-id');
    expect(id).not.toBeNull();
    expect(await logged('request completed')).toMatchObject({ req: { id }, res: { status: 400 } });
  });

  it('begins the shutdown as soon as the application is being closed', async () => {
    const shutdown = app.get(Shutdown);
    expect(shutdown.begun).toBe(false);
    const listening: boolean[] = [];
    shutdown.signal.addEventListener('abort', () => listening.push(app.getHttpServer().listening));
    await app.close();
    expect(listening).toEqual([true]);
  });
});
