import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NodeTransport } from './node-transport.js';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('NodeTransport', () => {
  const transport = new NodeTransport();
  let server: Server;
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  async function serve(answer: RequestListener): Promise<string> {
    server = createServer(answer);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/messages`;
  }

  it('sends the request as it was made, and asks for an answer that is not compressed', async () => {
    const asked = Promise.withResolvers<{ request: IncomingMessage; body: string }>();
    const url = await serve((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        asked.resolve({ request, body });
        response.end('{}');
      });
    });

    const answer = await transport.fetch(url, { method: 'POST', headers: { 'X-Own': '1' }, body: '{"ö":1}' });

    expect(await answer.json()).toEqual({});
    const { request, body } = await asked.promise;
    expect(request.method).toBe('POST');
    expect(request.headers).toMatchObject({
      'x-own': '1',
      'accept-encoding': 'identity',
      'content-length': '8',
    });
    expect(body).toBe('{"ö":1}');
  });

  it('hands a stream out piece by piece, without a body in the response', async () => {
    const url = await serve((_, response) => {
      response
        .writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_1' })
        .end('data: 1\n\n');
    });

    const response = await transport.fetch(url);
    const body = transport.bodyOf(response);

    expect(response.body).toBeNull();
    expect(response.headers.get('request-id')).toBe('req_1');
    expect(await body?.read()).toEqual(Buffer.from(bytes('data: 1\n\n')));
    expect(await body?.read()).toBeUndefined();
    expect(await body?.read()).toBeUndefined();
  });

  it('gives a redirect back as an answer, and sends nothing to where it points', async () => {
    let calls = 0;
    const url = await serve((_, response) => {
      calls += 1;
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    });

    expect((await transport.fetch(url, { method: 'POST', body: 'x' })).status).toBe(307);
    expect(calls).toBe(1);
  });

  it('refuses an answer that is compressed all the same', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}'));
    });

    await expect(transport.fetch(url)).rejects.toThrow('compressed (gzip)');
  });

  it.each([204, 304])('answers %d without a body', async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end());

    const response = await transport.fetch(url);

    expect(response.status).toBe(status);
    expect(response.body).toBeNull();
  });

  it('rejects with the reason of the signal, and closes the connection', async () => {
    const closed = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    const url = await serve((request) => {
      request.socket.on('close', () => closed.resolve());
      arrived.resolve();
    });
    const stop = new AbortController();

    const answer = transport.fetch(url, { signal: stop.signal });
    await arrived.promise;
    stop.abort(new Error('enough'));

    await expect(answer).rejects.toThrow('enough');
    await closed.promise;
  });

  it('sends nothing when it was stopped before', async () => {
    const url = await serve(() => undefined);

    await expect(transport.fetch(url, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });

  it('breaks a body off when its signal is aborted, and settles the read that waits', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const stop = new AbortController();
    const body = transport.bodyOf(await transport.fetch(url, { signal: stop.signal }));

    const reading = body?.read();
    stop.abort(new Error('enough'));

    await expect(reading).rejects.toThrow();
  });

  it('rejects a read when the connection breaks, after all that had come', async () => {
    const url = await serve((_, response) => {
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write('data: 1\n\n', () => response.destroy());
    });
    const body = transport.bodyOf(await transport.fetch(url));

    expect(await body?.read()).toEqual(Buffer.from(bytes('data: 1\n\n')));
    await expect(body?.read()).rejects.toThrow('aborted');
  });

  it('settles a read with nothing when the body is given up', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const body = transport.bodyOf(await transport.fetch(url));

    const reading = body?.read();
    body?.cancel();

    expect(await reading).toBeUndefined();
  });
});
