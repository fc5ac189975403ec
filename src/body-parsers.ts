import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { json, type NextFunction, type Request, type Response } from 'express';
import type { Authenticator } from './auth/authenticator.service.js';
import { AppError } from './errors/app-error.js';
import { shapeFault } from './json-shape.js';
import { noteBodyBytes } from './limits/body-bytes.js';

/** Bodies that hold images or documents, and all others. */
const CONTENT_LIMIT = 10_000_000;
const OTHER_LIMIT = 256_000;
const CONTENT_ROUTES = ['/api/agent/stream', '/api/agent/sessions/:id/messages', '/api/formats'];
/** Names by which a body could reach a prototype. */
const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

type LetsIn = Pick<Authenticator, 'authenticateFirst'>;

/** JSON bodies only, of bounded size, in UTF-8 without a byte order mark (RFC 8259 §8.1), and no name that reaches a prototype. */
export function parseBodies(app: NestExpressApplication, authenticator: LetsIn): void {
  app.use(requireJson);
  // Packed bodies are not asked for, and unpacking is where small bodies grow large.
  const options = { strict: true, inflate: false, verify, reviver };
  app.use(
    CONTENT_ROUTES,
    requireSize(CONTENT_LIMIT),
    requirePrincipal(authenticator),
    askFor,
    json({ ...options, limit: CONTENT_LIMIT }),
  );
  app.use(requireSize(OTHER_LIMIT), askFor, json({ ...options, limit: OTHER_LIMIT }));
  app.use(forgetEmpty);
  const server = app.getHttpServer();
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request);
    server.emit('request', request, response);
  });
}

/** Of requests whose body is sent when it is asked for (RFC 9110 §10.1.1): who is refused before does not send in vain. */
const waiting = new WeakSet<IncomingMessage>();

function askFor(request: Request, response: Response, next: NextFunction): void {
  if (waiting.delete(request)) response.writeContinue();
  next();
}

/** What may be large is neither read nor kept of anybody who could not use it; the guard asks again. */
function requirePrincipal(authenticator: LetsIn) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const isSmall = request.headers['transfer-encoding'] === undefined && announced(request) <= OTHER_LIMIT;
    if (!isSmall || waiting.has(request)) await authenticator.authenticateFirst(request, response);
    next();
  };
}

/** The parser would read all of a body that is too large before it says so. */
function requireSize(limit: number) {
  return (request: Request, _response: Response, next: NextFunction): void => {
    if (request.body !== undefined || announced(request) <= limit) next();
    else next(new AppError('payload_too_large', 'Send a smaller body.'));
  };
}

/** Bytes that the body has by its headers; 0 where they do not say. */
function announced({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

const empty = new WeakSet<IncomingMessage>();

function verify(request: IncomingMessage, _response: unknown, body: Buffer, encoding: string): void {
  if (body.length === 0) empty.add(request);
  noteBodyBytes(request, body.length);
  if (encoding !== 'utf-8') throw new AppError('unsupported_media_type', 'JSON is sent in UTF-8.');
  if (body.subarray(0, BOM.length).equals(BOM)) {
    throw new AppError('invalid_request', 'JSON is sent without a byte order mark.');
  }
  const fault = shapeFault(body);
  if (fault !== undefined) throw new AppError('invalid_request', fault);
}

/** The parser takes nothing for `{}`; where a body is needed, nothing is none. */
function forgetEmpty(request: Request, _response: Response, next: NextFunction): void {
  if (empty.has(request)) request.body = undefined;
  next();
}

/** Other bodies are refused, not overlooked: a form is what another site's page could send. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || announced(request) > 0;
  if (!hasBody || request.is('application/json') !== false) next();
  else next(new AppError('unsupported_media_type', 'Send JSON, with the content type application/json.'));
}

function reviver(key: string, value: unknown): unknown {
  if (!FORBIDDEN_NAMES.has(key)) return value;
  throw new AppError('invalid_request', `\`${key}\` is not a name that a body may hold.`);
}
