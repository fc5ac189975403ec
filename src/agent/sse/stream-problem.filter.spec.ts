import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ArgumentsHost } from '@nestjs/common';
import { AppError, type AppErrorOptions } from '../../errors/app-error.js';
import type { ErrorCode } from '../../errors/error-codes.js';
import { StreamProblemFilter } from './stream-problem.filter.js';

let server: Server;
let thrown: unknown;

beforeEach(async () => {
  const filter = new StreamProblemFilter();
  server = createServer((request, response) => {
    const http = { getRequest: () => request, getResponse: () => response };
    filter.catch(thrown, { switchToHttp: () => http } as unknown as ArgumentsHost);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.close();
});

async function answer(path: string, code: ErrorCode, options: AppErrorOptions = {}, method = 'GET') {
  thrown = new AppError(code, 'Why.', options);
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

describe('a stream that cannot be opened', () => {
  it.each<[string, ErrorCode]>([
    ['a store is away', 'unavailable'],
    ['a disk is full', 'storage_full'],
  ])('because %s is a stream without events that says when to come back', async (_why, code) => {
    const { status, type, text } = await answer('/api/agent/stream?session_id=ses_1', code);

    expect([status, type]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(text).toMatch(/^retry: \d{4}\n$/);
  });

  it('because of a limit says to stay away as long as that lasts, and a little longer', async () => {
    const { status, text } = await answer('/api/agent/stream', 'too_many_requests', { retryAfter: 40 });
    const [, retry] = /^retry: (\d+)\n$/.exec(text) ?? [];

    expect(status).toBe(200);
    expect(Number(retry)).toBeGreaterThanOrEqual(40_000);
    expect(Number(retry)).toBeLessThanOrEqual(60_000);
  });

  it.each<[string, ErrorCode, number]>([
    ['nobody has signed in', 'unauthenticated', 401],
    ['there is no such session', 'not_found', 404],
  ])('because %s is refused as everything else', async (_why, code, status) => {
    const refused = await answer('/api/agent/stream?session_id=ses_1', code);

    expect([refused.status, refused.type]).toEqual([status, 'application/problem+json']);
  });
});

describe('what is not an EventSource’s', () => {
  it.each([
    ['POST', '/api/agent/stream'],
    ['GET', '/api/agent/streams'],
    ['GET', '/api/agent/sessions'],
  ])('%s %s is refused with 503 while a store is away', async (method, path) => {
    expect((await answer(path, 'unavailable', { retryAfter: 2 }, method)).status).toBe(503);
  });
});
