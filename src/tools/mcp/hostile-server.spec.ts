import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ConnectionBench } from '../../../test/support/mcp/connection-bench.js';
import { json, type RawAnswer, RawServer, stream } from '../../../test/support/mcp/raw-server.js';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function serve(answers: Record<string, RawAnswer>): Promise<RawServer> {
  const server = new RawServer(answers);
  await server.listen();
  ends.push(() => server.close());
  return server;
}

async function connect(server: { url: string }): Promise<ConnectionBench> {
  const bench = new ConnectionBench({ url: server.url, allow_private: true });
  ends.push(() => bench.connection.close());
  await bench.start();
  return bench;
}

async function callOf(answer: RawAnswer): Promise<unknown> {
  const bench = await connect(await serve({ 'tools/call': answer }));
  return bench.call('act').catch((error: unknown) => error);
}

const body =
  (status: number, type: string, content: string | Buffer): RawAnswer =>
  (response) =>
    void response.writeHead(status, { 'content-type': type }).end(content);

/** A listener of the inside, which nobody may reach. */
async function forbidden(): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, connections: () => connections };
}

describe('A call to a hostile tool server', () => {
  it.each<[string, RawAnswer]>([
    ['a stream that ends without an answer', stream((response) => response.end(': bye\n\n'))],
    ['a stream that breaks', stream((response) => setImmediate(() => response.destroy()))],
    ['a connection that breaks', (response) => response.destroy()],
    ['a page', body(200, 'text/html', '<h1>Hello</h1>')],
    ['what is no JSON', body(200, 'application/json', '{"jsonrpc":')],
    ['JSON that is no message', body(200, 'application/json', '[1, {"a": 2}]')],
    ['a result of another form', json({ result: { content: 'text' } })],
    ['an error of the server', body(502, 'text/plain', 'bad gateway')],
    [
      'a compressed body',
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'br' })
          .end('{}'),
    ],
    ['a body of 20 MB', body(200, 'application/json', Buffer.alloc(20_000_000, ' '))],
    ['an event of 20 MB', stream((response) => response.end(`data: ${'x'.repeat(20_000_000)}`))],
  ])('has an unknown outcome after %s', async (_what, answer) => {
    expect(await callOf(answer)).toMatchObject({
      name: 'OutcomeUnknown',
      message: expect.stringMatching(/The call may or may not have taken effect; it was not repeated\.$/),
    });
  });

  it.each<[string, RawAnswer, string]>([
    [
      'an error of the protocol',
      json({ error: { code: -32602, message: 'No city.' } }),
      'refused the call: No city.',
    ],
    ['a status that refuses', body(422, 'text/plain', 'no'), 'refused the call with HTTP status 422.'],
    ['a session that is over', body(404, 'text/plain', 'no'), 'refused the call with HTTP status 404.'],
    ['a redirect', (response) => void response.writeHead(307, { location: '/mcp' }).end(), 'a redirect'],
  ])('is refused by %s', async (_what, answer, message) => {
    expect(await callOf(answer)).toMatchObject({
      name: 'ToolError',
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, (response: Parameters<RawAnswer>[0], id: Parameters<RawAnswer>[1]) => void]>([
    ['never ends', (response) => response.write(': and so on\n\n')],
    ['says nothing', () => {}],
  ])('lets go of an answer that %s when it is given up', async (_what, then) => {
    const closed = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const server = await serve({
      'tools/call': stream((response, id) => {
        response.once('close', () => closed.resolve());
        then(response, id);
        begun.resolve();
      }),
    });
    const bench = await connect(server);
    const controller = new AbortController();
    const call = bench.call('act', {}, controller.signal).catch((error: unknown) => error);
    await begun.promise;
    controller.abort(new Error('time is up'));
    expect(await call).toBeInstanceOf(Error);
    await closed.promise;
  });

  it('lets go of a stream that stays open behind its answer', async () => {
    const closed = Promise.withResolvers<void>();
    const result = { content: [{ type: 'text', text: 'done' }] };
    expect(
      await callOf(
        stream((response, id) => {
          response.once('close', () => closed.resolve());
          response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
        }),
      ),
    ).toBe('done');
    await closed.promise;
  });
});

describe('The list of a hostile tool server', () => {
  it('is cut: 10,000 tools, a description of 1 MB, a name of the inside', async () => {
    const tools = Array.from({ length: 10_000 }, (_, n) => ({
      name: `t${n}`,
      inputSchema: { type: 'object' },
    }));
    const long = { name: 'long', description: 'x'.repeat(1_000_000), inputSchema: { type: 'object' } };
    const server = await serve({ 'tools/list': json({ result: { tools: [long, ...tools] } }) });
    const bench = await connect(server);
    expect(bench.offers[0]).toHaveLength(127);
    expect(bench.lines.join('\n').length).toBeLessThan(2_000);
    await bench.says('"long" is not offered: its description and schema have more than 32768 bytes');
    await bench.says('1872 of its tools are not offered: 128 at most');
  });

  it('ends although the server always knows one more page', async () => {
    let page = 0;
    const server = await serve({
      'tools/list': (response, id, request) => {
        page += 1;
        const tools = [{ name: `t${page}`, inputSchema: { type: 'object' } }];
        json({ result: { tools, nextCursor: `after ${page}` } })(response, id, request);
      },
    });
    const bench = await connect(server);
    expect([bench.offers[0]?.length, page]).toEqual([64, 64]);
  });

  it.each<[string, RawAnswer]>([
    ['no JSON', body(200, 'application/json', 'nothing')],
    ['another form', json({ result: { tools: 'all' } })],
    ['20 MB', body(200, 'application/json', Buffer.alloc(20_000_000, ' '))],
  ])('is none when it is %s, and is asked for again', async (_what, answer) => {
    let asked = 0;
    const server = await serve({
      'tools/list': (...call) => {
        asked += 1;
        if (asked === 1) answer(...call);
        else json({ result: { tools: [{ name: 'act', inputSchema: { type: 'object' } }] } })(...call);
      },
    });
    const bench = await connect(server);
    expect(bench.offers).toEqual([]);
    await bench.offering('act');
  });

  it('stops nobody else, and can be left at once, when it never comes', async () => {
    const server = await serve({ initialize: () => {} });
    const silent = new ConnectionBench({ url: server.url, allow_private: true });
    silent.connection.start();
    const other = await connect(await serve({}));
    expect(other.offers).toEqual([['act']]);
    while (!server.asked.includes('initialize')) await delay(5);
    await silent.connection.close();
    expect(silent.offers).toEqual([]);
  });
});

const challenge = (url: string): string =>
  `Bearer resource_metadata="${url}/.well-known/oauth-protected-resource", error="insufficient_scope", scope="all"`;

describe('A tool server that leads elsewhere', () => {
  it.each<[string, (url: string) => RawAnswer, string]>([
    [
      'redirects',
      (url) => (r) => void r.writeHead(302, { location: `${url}/` }).end(),
      'a redirect, which is not followed',
    ],
    [
      'redirects and keeps the method',
      (url) => (r) => void r.writeHead(308, { location: `${url}/` }).end(),
      'a redirect',
    ],
    [
      'redirects to a script',
      () => (r) => void r.writeHead(302, { location: 'javascript:alert(1)' }).end(),
      'a redirect',
    ],
    [
      'asks for a sign-in by metadata',
      (url) => (r) => void r.writeHead(401, { 'www-authenticate': challenge(url) }).end(),
      'asks for a sign-in (401)',
    ],
    [
      'asks for another scope',
      (url) => (r) => void r.writeHead(403, { 'www-authenticate': challenge(url) }).end(),
      'the connection failed',
    ],
  ])('is not followed: it %s', async (_what, answer, line) => {
    const inside = await forbidden();
    const first = answer(inside.url);
    const server = await serve({ 'server/discover': first, initialize: first });
    const bench = await connect(server);
    await bench.says(line);
    await bench.connection.close();
    expect([bench.offers, inside.connections()]).toEqual([[], 0]);
  });
});
