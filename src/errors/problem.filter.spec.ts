import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Body,
  Controller,
  ForbiddenException,
  Get,
  HttpException,
  ImATeapotException,
  type INestApplication,
  type LoggerService,
  NotImplementedException,
  Param,
  Post,
  Res,
  UnauthorizedException,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { json, type Response } from 'express';
import { AppError } from './app-error.js';
import { ProblemFilter } from './problem.filter.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What the routes under test throw; set by each test. */
let thrown: unknown;

@Controller()
class Thrower {
  @Get('throw')
  throw(): never {
    throw thrown;
  }

  @Get('late')
  late(@Res() response: Response): never {
    response.write('begun');
    throw thrown;
  }

  @Get('item/:id')
  item(@Param('id') id: string) {
    return { id };
  }

  @Post('body')
  body(@Body() body: unknown) {
    return { body };
  }
}

/** What an application may do with bodies before they are routed: refuse with errors of its own. */
function verify(_request: unknown, _response: unknown, body: Buffer) {
  if (body.includes('forbidden')) throw new AppError('unsupported_media_type', 'Not this one.');
}

function reviver(key: string, value: unknown) {
  if (key === '__proto__') throw new AppError('forbidden', 'Not this name.');
  return value;
}

/** Keeps what the filter logs. */
class LogDouble implements LoggerService {
  lines: { level: string; message: unknown }[] = [];
  log() {}
  error = (message: unknown) => this.lines.push({ level: 'error', message });
  warn = (message: unknown) => this.lines.push({ level: 'warn', message });
}

const log = new LogDouble();
let app: INestApplication;
let origin: string;

beforeAll(async () => {
  const module = await Test.createTestingModule({ controllers: [Thrower] }).compile();
  app = module.createNestApplication({ bodyParser: false });
  app.useLogger(log);
  app.use(json({ verify, reviver }));
  app.useGlobalFilters(new ProblemFilter());
  await app.listen(0, '127.0.0.1');
  origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});

beforeEach(() => {
  log.lines = [];
});

afterAll(() => app.close());

async function refusal(path: string, init?: RequestInit) {
  const response = await fetch(origin + path, init);
  const { request_id, ...body } = (await response.json()) as Record<string, unknown>;
  return { response, request_id, body };
}

function afterThrowing(exception: unknown) {
  thrown = exception;
  return refusal('/throw');
}

const post = (body: RequestInit['body'], headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

describe('the problem filter', () => {
  it('answers an own error with its code, title, status, message and field errors', async () => {
    const { response, request_id, body } = await afterThrowing(
      new AppError('invalid_request', 'Two fields are wrong.', {
        errors: [{ path: 'content.0.text', message: 'Too long' }],
      }),
    );
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-request-id')).toBe(request_id);
    expect(request_id).toMatch(UUID);
    expect(body).toEqual({
      type: 'urn:agentline:problem:invalid_request',
      title: 'The request is not valid',
      status: 400,
      detail: 'Two fields are wrong.',
      code: 'invalid_request',
      errors: [{ path: 'content.0.text', message: 'Too long' }],
    });
  });

  it.each<[string, unknown, number, string]>([
    ['Nest 400', new BadRequestException('SELECT * FROM users'), 400, 'invalid_request'],
    ['Nest 401', new UnauthorizedException('jwt expired at /srv/app'), 401, 'unauthenticated'],
    ['Nest 403', new ForbiddenException(), 403, 'forbidden'],
    ['Nest 418', new ImATeapotException(), 400, 'invalid_request'],
    ['Nest 501', new NotImplementedException(), 501, 'not_implemented'],
    ['Nest 507', new HttpException('disk /dev/sda1', 507), 500, 'internal'],
    ['URIError', new URIError('URI malformed'), 400, 'invalid_request'],
    [
      'an HTTP client',
      Object.assign(new Error('upstream 401'), { status: 401, statusCode: 401 }),
      500,
      'internal',
    ],
    ['a string', 'secret', 500, 'internal'],
    ['undefined', undefined, 500, 'internal'],
  ])('gives %s its own code and fixed words', async (_name, exception, status, code) => {
    const { response, body } = await afterThrowing(exception);
    expect(response.status).toBe(status);
    expect(body).toMatchObject({ status, code, type: `urn:agentline:problem:${code}` });
    expect(Object.keys(body).toSorted()).toEqual(['code', 'detail', 'status', 'title', 'type']);
    expect(body.detail).not.toMatch(/SELECT|srv|sda1|upstream|malformed|secret/);
  });

  it('hides an unexpected error from the caller and logs it with the request id', async () => {
    const cause = new Error('insert into users: UNIQUE constraint failed');
    const { response, request_id, body } = await afterThrowing(cause);
    expect(response.status).toBe(500);
    expect(body).toEqual({
      type: 'urn:agentline:problem:internal',
      title: 'The server failed',
      status: 500,
      detail: 'Something failed on our side. The request id finds it in the log of the server.',
      code: 'internal',
    });
    expect(log.lines).toEqual([
      { level: 'error', message: { err: cause, request_id, msg: 'An error that nobody expected' } },
    ]);
  });

  it('logs an own server error that has a cause, and no refusal of a request', async () => {
    const error = new AppError('unavailable', 'Try again.', { cause: new Error('ECONNREFUSED') });
    const { request_id } = await afterThrowing(error);
    expect(log.lines).toEqual([
      { level: 'warn', message: { err: error, request_id, msg: 'A request could not be served' } },
    ]);
    log.lines = [];
    await afterThrowing(new AppError('not_found', 'No such run.'));
    expect(log.lines).toEqual([]);
  });

  it('names the scheme with 401 and only with 401', async () => {
    const signIn = await afterThrowing(new AppError('invalid_credentials', 'Check both.'));
    expect(signIn.response.headers.get('www-authenticate')).toBe('Bearer');
    const busy = await afterThrowing(new AppError('session_busy', 'A run is active.'));
    expect(busy.response.headers.get('www-authenticate')).toBeNull();
  });

  it('sends Retry-After in whole seconds when the error has one', async () => {
    const { response } = await afterThrowing(new AppError('draining', 'Come back.', { retryAfter: 1.2 }));
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
  });

  it('answers equal refusals with bodies that differ in the request id only', async () => {
    const unknown = await refusal('/nothing?ticket=abc');
    const other = await refusal('/elsewhere', { method: 'DELETE' });
    expect(unknown.body).toEqual(other.body);
    expect(unknown.body).toEqual({
      type: 'urn:agentline:problem:not_found',
      title: 'There is no such thing',
      status: 404,
      detail: 'Nothing is found here: check the method, the path and the id.',
      code: 'not_found',
    });
    expect(unknown.request_id).not.toBe(other.request_id);
  });

  it('turns the messages of a validation pipe into field errors', async () => {
    const { body } = await afterThrowing(
      new BadRequestException(['content.text: too long', 'not an object']),
    );
    expect(body.errors).toEqual([
      { path: 'content.text', message: 'too long' },
      { path: '', message: 'not an object' },
    ]);
  });

  it.each<[string, string, RequestInit | undefined, number, string]>([
    ['a cut body', '/body', post('{"a":'), 400, 'The body is not valid JSON.'],
    ['a bare value', '/body', post('42'), 400, 'The body is not valid JSON.'],
    ['a body of 200 kB', '/body', post(`{"a":"${'x'.repeat(200_000)}"}`), 413, 'Send a smaller body.'],
    [
      'a body in latin-1',
      '/body',
      post('{}', { 'content-type': 'application/json; charset=latin1' }),
      415,
      'Send JSON in UTF-8, with the content type application/json.',
    ],
    ['a body that the application refuses', '/body', post('{"a":"forbidden"}'), 415, 'Not this one.'],
    [
      'a name that the application refuses',
      '/body',
      post('{"__proto__":1}'),
      400,
      'The body is not valid JSON.',
    ],
    [
      'an unknown content encoding',
      '/body',
      post('{}', { 'content-encoding': 'rot13' }),
      415,
      'Send JSON in UTF-8, with the content type application/json.',
    ],
    [
      'a broken gzip',
      '/body',
      post(gzipSync('{}').subarray(0, 9), { 'content-encoding': 'gzip' }),
      400,
      'The request cannot be understood: check the address, the headers and the body.',
    ],
    [
      'a bad escape in the path',
      '/item/%zz',
      undefined,
      400,
      'The request cannot be understood: check the address, the headers and the body.',
    ],
  ])('refuses %s', async (_name, path, init, status, detail) => {
    const { response, body } = await refusal(path, init);
    expect({ status: response.status, detail: body.detail }).toEqual({ status, detail });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(log.lines).toEqual([]);
  });

  it('answers an HTTP exception of 204 without a body', async () => {
    thrown = new HttpException('', 204);
    const response = await fetch(`${origin}/throw`);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
  });

  it('ends a response that has begun, and logs why', async () => {
    thrown = new AppError('forbidden', 'Not now.');
    const response = await fetch(`${origin}/late`);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('begun');
    expect(log.lines).toEqual([
      {
        level: 'warn',
        message: expect.objectContaining({ err: thrown, msg: 'A request could not be served' }),
      },
    ]);
  });
});
