import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { requestLog } from './request-log.js';
import { rootLogger } from './root-logger.js';

interface Line {
  level: string;
  msg: string;
  req: Record<string, unknown>;
  res: { status: number };
  duration_ms: number;
}

let server: Server;
let wake = () => {};

/** A server that logs as ours does and answers with `handler`; `lines` grows with each response that is over. */
async function serve(handler: RequestListener) {
  const lines: Line[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Line);
      wake();
      done();
    },
  });
  const log = requestLog(rootLogger({ level: 'debug', pretty: false }, out));
  server = createServer((request, response) => log(request, response, () => handler(request, response)));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const line = async () => {
    while (lines.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return lines[0]!;
  };
  return { origin, line };
}

const ok: RequestListener = (_request, response) => response.end('ok');

afterEach(() => {
  server.close();
});

describe('the request log', () => {
  it('names the request and its outcome, without headers, body and credentials', async () => {
    const { origin, line } = await serve(ok);
    const response = await fetch(`${origin}/api/agent/stream?session_id=ses_1&ticket=SECRET`, {
      method: 'POST',
      body: '{"content":"SECRET"}',
      headers: { authorization: 'Bearer SECRET', cookie: 'session=SECRET', 'user-agent': 'probe' },
    });
    const { req, res, level, duration_ms } = await line();
    expect(JSON.stringify(await line())).not.toContain('SECRET');
    expect(req).toEqual({
      id: response.headers.get('x-request-id'),
      method: 'POST',
      url: '/api/agent/stream?session_id=ses_1&ticket=[redacted]',
      remote_address: '127.0.0.1',
      user_agent: 'probe',
    });
    expect({ res, level }).toEqual({ res: { status: 200 }, level: 'info' });
    expect(duration_ms).toBeGreaterThanOrEqual(0);
  });

  it('gives each request an id of its own and does not take one from the caller', async () => {
    const { origin } = await serve(ok);
    const headers = { 'x-request-id': 'forged' };
    const first = (await fetch(origin, { headers })).headers.get('x-request-id');
    const second = (await fetch(origin, { headers })).headers.get('x-request-id');
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(second).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(first).not.toBe(second);
  });

  it.each<[string, number, string]>([
    ['/health/live', 200, 'debug'],
    ['/health/ready', 503, 'warn'],
    ['/', 200, 'debug'],
    ['/console/console.css', 304, 'debug'],
    ['/console/none.js', 404, 'info'],
    ['/metrics', 401, 'info'],
    ['/api/agent/sessions', 200, 'info'],
    ['/api/agent/sessions', 500, 'error'],
  ])('logs %s with %d as %s', async (path, status, level) => {
    const { origin, line } = await serve((_request, response) => response.writeHead(status).end());
    await fetch(origin + path);
    expect({ level: (await line()).level, status: (await line()).res.status }).toEqual({ level, status });
  });

  it('adds no error of its own to a failed request', async () => {
    const { origin, line } = await serve((_request, response) => response.writeHead(500).end());
    await fetch(origin);
    expect(Object.keys(await line()).toSorted()).toEqual([
      'duration_ms',
      'hostname',
      'level',
      'msg',
      'pid',
      'req',
      'res',
      'time',
    ]);
  });
});
