import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { boundedFetch } from './bounded-fetch.js';

let server: Server;

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

describe('an answer of an identity provider', () => {
  it('is read whole, asked for without compression', async () => {
    const url = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () =>
        response
          .writeHead(400, { 'content-type': 'application/json' })
          .end(JSON.stringify({ method: request.method, body, asked: request.headers['accept-encoding'] })),
      );
    });
    const answer = await boundedFetch(url, {
      method: 'POST',
      body: new URLSearchParams({ code: 'a b' }),
      headers: { 'accept-encoding': 'br' },
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'application/json']);
    expect(await answer.json()).toEqual({ method: 'POST', body: 'code=a+b', asked: 'identity' });
  });

  it('that points elsewhere is that answer, and nobody is asked there', async () => {
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect((await boundedFetch(url)).status).toBe(302);
    expect(asked).toBe(1);
  });

  it('may have no body', async () => {
    const url = await serve((_request, response) => response.writeHead(204).end());
    expect((await boundedFetch(url)).status).toBe(204);
  });

  it('is refused when it is longer than 1 MB, and its connection is closed', async () => {
    let isClosed: Promise<void> | undefined;
    const url = await serve((_request, response) => {
      isClosed = new Promise((resolve) => {
        response.on('close', () => resolve());
      });
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
      };
      response.on('drain', more);
      more();
    });
    await expect(boundedFetch(url)).rejects.toThrow('longer than 1048576 bytes');
    await isClosed;
  });

  it('is refused when it is compressed without being asked', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}')),
    );
    await expect(boundedFetch(url)).rejects.toThrow('compressed (gzip)');
  });

  it('that never comes can be given up', async () => {
    const url = await serve(() => {});
    await expect(boundedFetch(url, { signal: AbortSignal.timeout(50) })).rejects.toThrow();
  });
});
