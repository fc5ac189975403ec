import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { AppError, type FieldError } from './app-error.js';
import type { ErrorCode } from './error-codes.js';
import { problemHeaders, toProblem } from './problem.js';

/** What Nest, Express and libraries refuse with comes by status; our own errors bring their code. */
const CODES: Partial<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  408: 'request_timeout',
  409: 'conflict',
  412: 'precondition_failed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  417: 'expectation_failed',
  429: 'too_many_requests',
  431: 'headers_too_large',
  501: 'not_implemented',
  503: 'unavailable',
};

/** Fixed words: messages of libraries repeat the path or the body, and equal refusals must look equal. */
const DETAILS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Send a session cookie or an Authorization header with a bearer token.',
  forbidden: 'Your role does not include this.',
  not_found: 'Nothing is found here: check the method, the path and the id.',
  method_not_allowed: 'Check the method against the description of the API.',
  precondition_failed: 'Ask again without the condition.',
  payload_too_large: 'Send a smaller body.',
  unsupported_media_type: 'Send JSON in UTF-8, with the content type application/json.',
  range_not_satisfiable: 'Ask for a part that is there, or for the whole.',
  too_many_requests: 'Wait, then try again.',
  unavailable: 'Try again in a moment.',
  internal: 'Something failed on our side. The request id finds it in the log of the server.',
};

const NOT_JSON = 'The body is not valid JSON.';
const BAD_REQUEST = 'The request cannot be understood: check the address, the headers and the body.';

/**
 * Every refusal over HTTP, whoever threw it, as `application/problem+json` (RFC 9457).
 * A 401 names the scheme (RFC 6750 §3). What nobody expected becomes `internal` and goes to the log with its
 * cause. An `HttpException` below 400 is an answer without a body (204). Once headers are out nothing can be
 * refused any more: the response ends.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<IncomingMessage & { id?: unknown }>();
    const response = host.switchToHttp().getResponse<ServerResponse>();
    const requestId = typeof request.id === 'string' ? request.id : randomUUID();
    if (exception instanceof HttpException && exception.getStatus() < 400) {
      response.writeHead(exception.getStatus()).end();
      return;
    }
    const error = toAppError(exception);
    if (error !== exception && error.code === 'internal') {
      this.logger.error({ err: exception, request_id: requestId, msg: 'An error that nobody expected' });
    } else if (response.headersSent || (error.status >= 500 && error.cause !== undefined)) {
      this.logger.warn({ err: error, request_id: requestId, msg: 'A request could not be served' });
    }
    if (response.headersSent) response.end();
    else send(response, error, requestId);
  }
}

function send(response: ServerResponse, error: AppError, requestId: string): void {
  const body = Buffer.from(JSON.stringify(toProblem(error, requestId)));
  response.statusCode = error.status;
  response.setHeader('Content-Type', 'application/problem+json');
  response.setHeader('Content-Length', body.length);
  response.setHeader('X-Request-Id', requestId);
  for (const [name, value] of Object.entries(problemHeaders(error))) response.setHeader(name, value);
  response.end(body);
}

function toAppError(exception: unknown): AppError {
  if (exception instanceof AppError) return exception;
  const isNotJson = isParseFailure(exception);
  if (exception instanceof HttpException && exception.cause instanceof AppError && !isNotJson)
    return exception.cause;
  const status = refusedStatus(exception);
  const code = status === undefined ? 'internal' : (CODES[status] ?? 'invalid_request');
  const detail = isNotJson ? NOT_JSON : (DETAILS[code] ?? BAD_REQUEST);
  return new AppError(code, detail, { cause: exception, errors: fieldErrors(exception) });
}

/**
 * The status of something that was refused on purpose; undefined for everything else. An error that only has a
 * `status`, like those of HTTP clients, tells of another server's answer and is not a refusal of ours.
 */
function refusedStatus(exception: unknown): number | undefined {
  if (exception instanceof URIError) return 400;
  if (exception instanceof HttpException) {
    const status = exception.getStatus();
    return status < 500 || CODES[status] ? status : undefined;
  }
  if (!(exception instanceof Error) || !('expose' in exception) || !('statusCode' in exception))
    return undefined;
  return exception.expose === true ? Number(exception.statusCode) : undefined;
}

/**
 * body-parser's error, as it is or as the cause of what Nest makes of it. It takes all fields from whatever a
 * reviver throws, also from an AppError.
 */
function isParseFailure(exception: unknown): boolean {
  const source = exception instanceof HttpException ? exception.cause : exception;
  return source instanceof Error && 'type' in source && source.type === 'entity.parse.failed';
}

/** Nest's validation pipes refuse with a list of `path: message`. */
function fieldErrors(exception: unknown): FieldError[] | undefined {
  if (!(exception instanceof HttpException) || exception.getStatus() !== 400) return undefined;
  const answer = exception.getResponse();
  if (typeof answer !== 'object' || !('message' in answer) || !Array.isArray(answer.message))
    return undefined;
  return answer.message.map(String).map((text) => {
    const colon = text.indexOf(': ');
    return colon < 0
      ? { path: '', message: text }
      : { path: text.slice(0, colon), message: text.slice(colon + 2) };
  });
}
