import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { answerConnectionErrors } from './connection-errors.js';

let server: Server;
let refusals: object[];

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function listen(handle: RequestListener, options: ServerOptions = {}): Promise<void> {
  refusals = [];
  server = createServer(options, handle);
  answerConnectionErrors(server, (refusal) => refusals.push(refusal));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

interface Talk {
  socket: Socket;
  closed: Promise<string>;
}

function talk(bytes: string): Talk {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.on('data', (part) => (text += part.toString()));
  socket.on('error', () => socket.destroy());
  const closed = once(socket, 'close').then(() => text);
  socket.write(bytes);
  return { socket, closed };
}

const HELLO: RequestListener = (_request, response) => void response.end('hello');
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('what is no request', () => {
  it.each([
    ['bytes', 'SSH-2.0-OpenSSH\r\n', 400, 'invalid_request'],
    ['a header of 20 KB', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    [
      'a chunk with 20 KB of extensions',
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=${'b'.repeat(20_000)}\r\n`,
      413,
      'payload_too_large',
    ],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'method_not_allowed'],
  ])('like %s is refused in words, and the connection is closed', async (_name, bytes, status, code) => {
    await listen(() => {});
    const text = await talk(bytes).closed;
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(head.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toMatch(/^content-type: application\/problem\+json$/im);
    expect(head).toMatch(/^x-content-type-options: nosniff$/im);
    expect(JSON.parse(body)).toMatchObject({ status, code, request_id: expect.any(String) });
  });

  it('is told with the id that the answer has', async () => {
    await listen(HELLO);
    const text = await talk('nothing\r\n\r\n').closed;
    const id = /"request_id":"([^"]+)"/.exec(text)?.[1];
    expect(refusals).toEqual([{ request_id: id, code: 'invalid_request', remote_address: '127.0.0.1' }]);
  });

  it('adds nothing to an answer that goes on, and takes nothing of one that is written', async () => {
    await listen((request, response) => {
      response.write('first ');
      if (request.url === '/whole') response.end('x'.repeat(1_000_000));
    });
    const endless = talk(GET);
    await once(endless.socket, 'data');
    endless.socket.write('nothing\r\n\r\n');
    expect((await endless.closed).match(/HTTP\/1\.1/g)).toHaveLength(1);

    const whole = talk('GET /whole HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(whole.socket, 'data');
    whole.socket.write('nothing\r\n\r\n');
    expect((await whole.closed).match(/x/g)!.length).toBeGreaterThanOrEqual(1_000_000);
  });

  it('is read for a while, so that who has more to send hears the answer', async () => {
    await listen(HELLO);
    const text = await talk(`GET / HTTP/1.1\r\nCookie: ${'a'.repeat(4_000_000)}\r\n\r\n`).closed;
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('is followed by nothing that is done', async () => {
    const done: string[] = [];
    await listen((request, response) => {
      done.push(request.url ?? '');
      response.end();
    });
    const { socket, closed } = talk('nothing\r\n\r\n');
    await once(socket, 'data');
    socket.end(GET);
    await closed;
    expect([done, refusals.length]).toEqual([[], 1]);
  });
});

it('a request that does not come to its end in time is refused, and not done when it comes after all', async () => {
  const done: string[] = [];
  await listen((request) => void done.push(request.url ?? ''), {
    headersTimeout: 50,
    connectionsCheckingInterval: 20,
  });
  const { socket, closed } = talk('GET /late HTTP/1.1\r\nHost: a\r\n');
  socket.once('data', () => socket.write('\r\n'));
  const text = await closed;
  expect(text).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/);
  expect(done).toEqual([]);
});
