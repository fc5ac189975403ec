import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from './errors/app-error.js';
import { refuseRaw } from './errors/raw-refusal.js';

/** Fields that are said once (RFC 9110 §5.3): Node would take the first of several, a proxy perhaps the last. */
const SINGLE = new Set(['host', 'authorization', 'content-type', 'idempotency-key']);
/** Browsers keep 180 cookies a host at most; more headers than this has nobody. */
const MAX_COOKIES = 180;
const MAX_HEADERS = 256;
/** RFC 3986 §3.2 without user information, and of names only those that DNS has. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d{0,5})?$/i;

/** Node lets pass what RFC 9112 and RFC 9110 call wrong or dangerous; it is refused before anything reads it. */
export function refuseOddRequests(app: NestExpressApplication): void {
  const server = app.getHttpServer();
  // All headers are looked at, and not only the first 2,000; their size has a limit of its own.
  server.maxHeadersCount = 0;
  // Node's own answer to none has no body, and none is allowed before HTTP/1.1.
  Object.assign(server, { requireHostHeader: false });
  app.use((request: Request, response: Response, next: NextFunction) => {
    const problem = problemOf(request);
    // What else comes on such a connection is not worth reading.
    if (problem !== undefined) response.setHeader('Connection', 'close');
    next(problem);
  });
  // Sockets come by another way. What is refused here cannot be written to by whoever listens next.
  server.prependListener('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const problem = problemOf(request) ?? problemOfUpgrade(request);
    if (problem === undefined) return;
    refuseRaw(socket, problem);
    socket.once('finish', () => socket.destroy());
  });
  // Unheard, Node answers without a body.
  server.on('checkExpectation', (request: IncomingMessage, response) =>
    server.emit('request', request, response),
  );
}

function problemOf(request: IncomingMessage): AppError | undefined {
  const { method, url = '', headers, httpVersion } = request;
  if (method === 'TRACE') return new AppError('method_not_allowed', 'TRACE is not answered.');
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return new AppError('invalid_request', 'HTTP/1.1 and HTTP/1.0 are spoken here.');
  if (!url.startsWith('/') || url.includes('#'))
    return new AppError('invalid_request', 'The address must be a path.');
  if (!isDecodable(url)) return new AppError('invalid_request', 'The address has a broken percent-encoding.');
  if (headers.expect !== undefined && !/^100-continue$/i.test(headers.expect))
    return new AppError('expectation_failed', 'The only expectation that is met is 100-continue.');
  return problemOfHeaders(request) ?? problemOfFraming(request);
}

function problemOfHeaders({ rawHeaders, headers, httpVersion }: IncomingMessage): AppError | undefined {
  const several = repeated(rawHeaders);
  if (several !== undefined) return new AppError('invalid_request', `Several ${several} headers.`);
  if (headers.host === undefined ? httpVersion === '1.1' : !isHost(headers.host))
    return new AppError('invalid_request', 'The Host header is missing, or is no host.');
  if (rawHeaders.length > 2 * MAX_HEADERS)
    return new AppError('headers_too_large', `Send ${MAX_HEADERS} headers at most.`);
  if ((headers.cookie ?? '').split(';').length > MAX_COOKIES)
    return new AppError('headers_too_large', `Send ${MAX_COOKIES} cookies at most.`);
  return undefined;
}

/** Where the body ends must be beyond doubt, or a proxy in front and this server could see other requests. */
function problemOfFraming({ headers, httpVersion }: IncomingMessage): AppError | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersion === '1.0')
    return new AppError('invalid_request', 'HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1).');
  if (coding.toLowerCase() === 'chunked') return undefined;
  return new AppError('not_implemented', 'The only Transfer-Encoding that is understood is chunked.');
}

/** RFC 6455 §4.1 */
function problemOfUpgrade({ httpVersion }: IncomingMessage): AppError | undefined {
  return httpVersion === '1.1' ? undefined : new AppError('invalid_request', 'Sockets begin with HTTP/1.1.');
}

/** The first name of those said once that is said again. Raw headers are names and values in turn. */
function repeated(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) return rawHeaders[index];
    seen.add(name);
  }
  return undefined;
}

/** What passes can be made an address of, whoever does so. */
function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`http://${text}/`);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}
