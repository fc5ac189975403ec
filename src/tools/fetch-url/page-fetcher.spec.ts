import { type IncomingMessage, type RequestListener, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AddressGuard } from '../address-guard.js';
import { PageFetcher } from './page-fetcher.js';

/** The one address inside that these specs allow; the other loopback addresses stay forbidden. */
const OPEN = '127.0.0.1';
const FORBIDDEN = '127.0.0.2';
const LIMITS = { timeoutMs: 5_000, maxBytes: 1000, maxRedirects: 5 };

const names: Record<string, string> = { 'open.test': OPEN, 'inside.test': FORBIDDEN };
const guard = new AddressGuard({
  except: [OPEN],
  resolve: (name, _options, callback) => {
    const address = names[name];
    if (address === undefined) callback(Object.assign(new Error(`unknown ${name}`), { code: 'ENOTFOUND' }));
    else callback(null, [{ address, family: 4 }]);
  },
});

let server: Server;
let origin: string;
let requests: IncomingMessage[];
let routes: Record<string, RequestListener>;
let forbidden: Server;
let forbiddenPort: number;
let forbiddenConnections: number;

async function listen(target: Server, host: string): Promise<number> {
  await new Promise<void>((resolve) => target.listen(0, host, resolve));
  return (target.address() as AddressInfo).port;
}

beforeEach(async () => {
  requests = [];
  routes = {};
  forbiddenConnections = 0;
  server = createServer((request, response) => {
    requests.push(request);
    routes[request.url ?? '']?.(request, response);
  });
  forbidden = createServer((_request, response) => response.end('secret'));
  forbidden.on('connection', () => (forbiddenConnections += 1));
  origin = `http://${OPEN}:${await listen(server, OPEN)}`;
  forbiddenPort = await listen(forbidden, FORBIDDEN);
});

afterEach(async () => {
  for (const each of [server, forbidden]) {
    each.closeAllConnections();
    await new Promise((resolve) => each.close(resolve));
  }
});

function answer(type: string, body: string | Buffer, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => response.writeHead(200, { 'content-type': type, ...headers }).end(body);
}

function redirectTo(location: string, status = 302): RequestListener {
  return (_request, response) => response.writeHead(status, { location }).end('elsewhere');
}

function fetchPage(url: string, signal = new AbortController().signal, limits = LIMITS) {
  return new PageFetcher(guard, limits).fetch(url, signal);
}

function never(): void {}

describe('PageFetcher', () => {
  it('reads a page', async () => {
    routes['/'] = answer('text/html; charset=utf-8', '<p>Grüße</p>');
    expect(await fetchPage(`${origin}/`)).toEqual({
      url: `${origin}/`,
      status: 200,
      content_type: 'text/html; charset=utf-8',
      text: '<p>Grüße</p>',
      truncated: false,
    });
  });

  it('asks without credentials and for no compression', async () => {
    routes['/'] = answer('text/plain', 'x');
    await fetchPage(`${origin}/`);
    expect(requests[0]?.method).toBe('GET');
    expect(Object.keys(requests[0]?.headers ?? {}).toSorted()).toEqual([
      'accept',
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
    ]);
    expect(requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('hands on an HTTP error with its text', async () => {
    routes['/'] = (_request, response) =>
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end('{"status":404}');
    expect(await fetchPage(`${origin}/`)).toMatchObject({ status: 404, text: '{"status":404}' });
  });

  it('reads the text by the charset of its header, and as UTF-8 where that is unknown', async () => {
    routes['/latin'] = answer('text/plain; charset=iso-8859-1', Buffer.from('Grüße', 'latin1'));
    routes['/odd'] = answer('text/plain; charset=klingon', 'Grüße');
    expect(await fetchPage(`${origin}/latin`)).toMatchObject({ text: 'Grüße' });
    expect(await fetchPage(`${origin}/odd`)).toMatchObject({ text: 'Grüße' });
  });

  it('reads up to its limit and says so, also when the body never ends', async () => {
    routes['/whole'] = answer('text/plain', 'x'.repeat(1000));
    routes['/more'] = answer('text/plain', 'é'.repeat(501));
    routes['/split'] = answer('text/plain', `a${'é'.repeat(501)}`);
    routes['/endless'] = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).write('x'.repeat(1001));
    };
    expect(await fetchPage(`${origin}/whole`)).toMatchObject({ text: 'x'.repeat(1000), truncated: false });
    expect(await fetchPage(`${origin}/more`)).toMatchObject({ text: 'é'.repeat(500), truncated: true });
    expect(await fetchPage(`${origin}/split`)).toMatchObject({
      text: `a${'é'.repeat(499)}`,
      truncated: true,
    });
    expect(await fetchPage(`${origin}/endless`)).toMatchObject({ text: 'x'.repeat(1000), truncated: true });
  });

  it.each(['application/pdf', 'image/png', 'application/octet-stream', 'application/zip', ''])(
    'refuses the content type "%s"',
    async (type) => {
      routes['/'] = answer(type, 'x');
      await expect(fetchPage(`${origin}/`)).rejects.toMatchObject({
        name: 'ToolError',
        message: `${origin}/ answered 200 with ${type || 'no content type'}: only text, JSON and XML can be read.`,
      });
    },
  );

  it.each(['gzip', 'br', 'zstd'])('refuses a body in %s, which it did not ask for', async (encoding) => {
    routes['/'] = answer('text/plain', gzipSync('x'), { 'content-encoding': encoding });
    await expect(fetchPage(`${origin}/`)).rejects.toMatchObject({
      message: `${origin}/ answered 200 with a compressed body, which was not asked for.`,
    });
  });

  it('follows redirects and names where it ended', async () => {
    routes['/a'] = redirectTo('/b', 301);
    routes['/b'] = redirectTo(`${origin}/c`, 307);
    routes['/c'] = answer('text/plain', 'found');
    expect(await fetchPage(`${origin}/a`)).toMatchObject({ url: `${origin}/c`, text: 'found' });
  });

  it('follows five redirects and no sixth', async () => {
    for (const n of [0, 1, 2, 3, 4]) routes[`/${n}`] = redirectTo(`/${n + 1}`);
    routes['/5'] = answer('text/plain', 'found');
    routes['/loop'] = redirectTo('/loop');
    expect(await fetchPage(`${origin}/0`)).toMatchObject({ text: 'found' });
    await expect(fetchPage(`${origin}/loop`)).rejects.toMatchObject({
      name: 'ToolError',
      message: `${origin}/loop redirects more than 5 times.`,
    });
    expect(requests.filter(({ url }) => url === '/loop')).toHaveLength(6);
  });

  it.each([
    ['a literal', () => `http://${FORBIDDEN}:${forbiddenPort}/`],
    ['a literal in other notation', () => `http://2130706434:${forbiddenPort}/`],
    ['a literal mapped into IPv6', () => `http://[::ffff:${FORBIDDEN}]:${forbiddenPort}/`],
    ['a name that resolves inside', () => `http://inside.test:${forbiddenPort}/`],
    ['another scheme', () => 'file:///etc/passwd'],
    ['a URL with credentials', () => `http://user:secret@inside.test:${forbiddenPort}/`],
  ])('sends no packet to a forbidden place: %s, asked for or redirected to', async (_what, url) => {
    routes['/'] = redirectTo(url());
    await expect(fetchPage(url())).rejects.toMatchObject({ name: 'ToolError' });
    await expect(fetchPage(`${origin}/`)).rejects.toMatchObject({ name: 'ToolError' });
    expect(requests).toHaveLength(1);
    expect(forbiddenConnections).toBe(0);
  });

  it('connects to the address that was checked, also when the name changes its mind', async () => {
    let asked = 0;
    const rebinding = new AddressGuard({
      except: [OPEN],
      resolve: (_name, _options, callback) => {
        asked += 1;
        callback(null, [{ address: asked === 1 ? OPEN : FORBIDDEN, family: 4 }]);
      },
    });
    routes['/'] = answer('text/plain', 'open');
    const url = `http://rebinding.test:${new URL(origin).port}/`;
    const page = await new PageFetcher(rebinding, LIMITS).fetch(url, new AbortController().signal);
    expect(page.text).toBe('open');
    expect(asked).toBe(1);
    await expect(new PageFetcher(rebinding, LIMITS).fetch(url, new AbortController().signal)).rejects.toThrow(
      '"rebinding.test" is not a public address.',
    );
  });

  it('reaches an allowed name', async () => {
    routes['/'] = answer('text/plain', 'by name');
    expect(await fetchPage(`http://open.test:${new URL(origin).port}/`)).toMatchObject({ text: 'by name' });
  });

  it('names the kind of a network error, and no address of the inside', async () => {
    await expect(fetchPage('http://unknown.test/')).rejects.toMatchObject({
      name: 'ToolError',
      message: 'http://unknown.test/ could not be fetched: ENOTFOUND.',
    });
    routes['/cut'] = (_request, response) => response.socket?.destroy();
    await expect(fetchPage(`${origin}/cut`)).rejects.toMatchObject({
      message: `${origin}/cut could not be fetched: UND_ERR_SOCKET.`,
    });
  });

  it.each<[string, RequestListener]>([
    ['no answer', never],
    [
      'no body',
      (_request, response) => response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders(),
    ],
    [
      'redirects without end',
      (request, response) => response.writeHead(302, { location: request.url! }).flushHeaders(),
    ],
  ])('gives up in time: %s', async (_what, listener) => {
    routes['/'] = listener;
    const start = performance.now();
    const limits = { ...LIMITS, timeoutMs: 200, maxRedirects: 1_000_000 };
    await expect(fetchPage(`${origin}/`, undefined, limits)).rejects.toMatchObject({
      name: 'ToolError',
      message: `${origin}/ took longer than 200 ms.`,
    });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('closes its connection and throws the reason when it is aborted', async () => {
    const controller = new AbortController();
    const reason = Object.assign(new Error('cancelled'), { code: 'USER' });
    const closed = new Promise<void>((resolve) => {
      routes['/'] = (request) => {
        request.socket.once('close', () => resolve());
        controller.abort(reason);
      };
    });
    await expect(fetchPage(`${origin}/`, controller.signal)).rejects.toBe(reason);
    await closed;
  });

  it('keeps no connection', async () => {
    routes['/'] = answer('text/plain', 'x');
    const closed = new Promise((resolve) =>
      server.once('connection', (socket) => socket.once('close', resolve)),
    );
    await fetchPage(`${origin}/`);
    const end = performance.now();
    await closed;
    expect(performance.now() - end).toBeLessThan(1000);
  });

  it('does not wait for the rest of a redirect, and closes its connection', async () => {
    const left = Promise.withResolvers<void>();
    routes['/a'] = (request, response) => {
      request.socket.once('close', () => left.resolve());
      response.writeHead(302, { location: '/b' }).write('endless');
    };
    routes['/b'] = (request, response) =>
      void left.promise.then(() => answer('text/plain', 'found')(request, response));
    expect(await fetchPage(`${origin}/a`)).toMatchObject({ text: 'found' });
  });
});
