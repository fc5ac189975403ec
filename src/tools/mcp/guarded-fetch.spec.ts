import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AddressGuard } from '../address-guard.js';
import { guardedFetch } from './guarded-fetch.js';

let server: Server;
let port: number;
let connections = 0;
let answer: RequestListener;

/** Everything that a name may stand for is this machine; what may be reached is up to the guard. */
const guard = new AddressGuard({
  resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
});
const inside = new AddressGuard({ inside: true });

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

beforeEach(() => {
  connections = 0;
  answer = (_request, response) => response.end('reached');
});

async function get(url: string, by: AddressGuard): Promise<Response> {
  const outgoing = guardedFetch(by);
  try {
    const response = await outgoing.fetch(url, {});
    // Read now: the connections end with this function.
    return response.body === null ? response : new Response(await response.arrayBuffer(), response);
  } finally {
    await outgoing.close();
  }
}

describe('guardedFetch', () => {
  it.each([
    'http://127.0.0.1:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://0x7f000001:PORT/',
    'http://2130706433:PORT/',
    'http://127.1:PORT/',
    'http://0:PORT/',
    'http://localhost:PORT/',
    'http://inside.test:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:PORT/',
    'javascript:alert(1)',
    'http://user:secret@inside.test:PORT/',
  ])('sends no packet to %s', async (url) => {
    await expect(get(url.replace('PORT', String(port)), guard)).rejects.toMatchObject({
      name: expect.stringMatching(/^(ToolError|NotDelivered)$/),
    });
    expect(connections).toBe(0);
  });

  it('reaches the inside where the operator allows it, and no metadata service', async () => {
    expect(await (await get(`http://127.0.0.1:${port}/`, inside)).text()).toBe('reached');
    await expect(get('http://169.254.169.254/', inside)).rejects.toMatchObject({ name: 'ToolError' });
    const named = new AddressGuard({
      inside: true,
      resolve: (_name, _options, callback) => callback(null, [{ address: '169.254.169.254', family: 4 }]),
    });
    await expect(get('http://metadata.internal/', named)).rejects.toMatchObject({ name: 'NotDelivered' });
  });

  it('names what never arrived, and no address', async () => {
    const away = new AddressGuard({
      resolve: (_name, _options, callback) =>
        callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' })),
    });
    await expect(get('https://away.test/', away)).rejects.toMatchObject({
      name: 'NotDelivered',
      message: 'The tool server cannot be reached: ENOTFOUND.',
    });
    answer = (_request, response) => response.destroy();
    await expect(get(`http://127.0.0.1:${port}/`, inside)).rejects.not.toMatchObject({
      name: 'NotDelivered',
    });
  });

  it('hands over method, headers and body, and asks for nothing compressed', async () => {
    answer = (request, response) => {
      const { method, headers } = request;
      request.pipe(
        response.writeHead(202, {
          'x-seen': [method, headers['x-key'], headers['accept-encoding']].join(' '),
        }),
      );
    };
    const outgoing = guardedFetch(inside);
    const response = await outgoing.fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers: new Headers({ 'X-Key': 'k', 'accept-encoding': 'br' }),
      body: '{"a":1}',
    });
    expect([response.status, response.headers.get('x-seen'), await response.text()]).toEqual([
      202,
      'POST k identity',
      '{"a":1}',
    ]);
    await outgoing.close();
  });

  it('takes an answer without a body', async () => {
    answer = (_request, response) => response.writeHead(204).end();
    expect((await get(`http://127.0.0.1:${port}/`, inside)).status).toBe(204);
  });

  it('cuts an answer without an end', async () => {
    answer = (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    await expect(get(`http://127.0.0.1:${port}/`, inside)).rejects.toThrow(
      "The tool server's answer has more than 8388608 bytes.",
    );
  });
});
