import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Audit } from '../audit.service.js';
import { AuditedRoutes } from './audited-routes.service.js';
import { clientOf } from '../client-of.js';
import { describeCall, isAudited, isRead } from './describe-call.js';
import { noteOf } from '../notes.js';

/** Longer answers are no receipts of changes. */
const MAX_ANSWER = 256_000;
const JSON_TYPE = /^application\/(?:problem\+)?json\b/;

/**
 * Records every call over HTTP in the moment in which its answer begins, whoever answers: a route, a guard, a filter,
 * a body parser. It stands before all of them, so a new route cannot forget it. Who leaves before the answer is
 * recorded all the same, for the answer is made without them.
 */
@Injectable()
export class CallAudit implements NestMiddleware {
  constructor(
    private readonly audit: Audit,
    private readonly routes: AuditedRoutes,
  ) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => Response;
    const end = response.end.bind(response) as (...args: unknown[]) => Response;
    let isSeen = false;
    const see = (body?: unknown) => {
      if (isSeen) return;
      isSeen = true;
      this.record(request, response, body);
    };
    response.writeHead = (...args: unknown[]) => {
      if (typeof args[0] === 'number') response.statusCode = args[0];
      see();
      return writeHead(...args);
    };
    response.end = (...args: unknown[]) => {
      see(args[0]);
      return end(...args);
    };
    next();
  }

  private record(request: Request, response: Response, body: unknown): void {
    const { method } = request;
    const status = response.statusCode;
    const { table } = this.routes;
    const [path = ''] = request.originalUrl.split('?');
    const reads = isRead(method);
    const note = noteOf(request);
    const isUsual = reads && status < 400 && note.code === undefined;
    const routed = isUsual ? table.findAlways(method, path) : table.find(method, path);
    if (routed === undefined) return;
    const answer = parsed(response, body);
    if (!isAudited({ method, routed, status, answer, note })) return;
    const entry = describeCall({
      method,
      routed,
      status,
      body: request.body,
      query: request.query,
      answer,
      note,
      client: clientOf(request),
    });
    this.audit.record(entry, entry.outcome === 'refused' || (reads && entry.outcome === 'allowed'));
  }
}

/** The answer as it is sent, where it is JSON. */
function parsed(response: Response, body: unknown): unknown {
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  if (!isText || body.length > MAX_ANSWER || !JSON_TYPE.test(String(response.getHeader('content-type'))))
    return undefined;
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
