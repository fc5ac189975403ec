import type { IncomingMessage } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import { AppError } from './errors/app-error.js';

/** Node lets pass what RFC 9112 and RFC 9110 call wrong or dangerous; it is refused before anything reads it. */
export function refuseOddRequests(app: NestExpressApplication): void {
  app.use((request: Request, _response: Response, next: NextFunction) => {
    const problem = problemOf(request);
    if (problem === undefined) next();
    else next(problem);
  });
  // A proxy is asked with CONNECT (RFC 9110 §9.3.6); this is none. Unheard, the connection would just be dropped.
  app
    .getHttpServer()
    .on('connect', (_request: IncomingMessage, socket) =>
      socket.end('HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
    );
}

function problemOf(request: Request): AppError | undefined {
  const { method, rawHeaders, httpVersionMajor, originalUrl } = request;
  if (method === 'TRACE') return new AppError('method_not_allowed', 'TRACE is not answered.');
  if (httpVersionMajor < 1)
    return new AppError('invalid_request', 'HTTP/1.0 is the oldest version spoken here.');
  if (count(rawHeaders, 'host') > 1) return new AppError('invalid_request', 'Several Host headers.');
  if (count(rawHeaders, 'authorization') > 1)
    return new AppError('invalid_request', 'Several Authorization headers.');
  if (!originalUrl.startsWith('/')) return new AppError('invalid_request', 'The address must be a path.');
  if (!isDecodable(originalUrl))
    return new AppError('invalid_request', 'The address has a broken percent-encoding.');
  return undefined;
}

/** Raw headers are names and values in turn. */
function count(rawHeaders: readonly string[], name: string): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length;
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
