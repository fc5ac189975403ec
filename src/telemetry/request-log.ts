import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { pinoHttp, type HttpLogger } from 'pino-http';
import { clientAddress } from './client-address.js';
import { redactUrl } from './redact-url.js';

/** What is asked for all the time and tells nothing when it went well: probes, metrics, files of pages. */
const QUIET = /^\/(?:$|\?|health\/|metrics|console\/|api\/docs)/;

/**
 * Express middleware: gives each request an id and writes one line when its response is over.
 * The id is always our own: an `X-Request-Id` of the caller could be repeated or forged. The response tells it.
 * Neither headers nor bodies are logged, and addresses without the credentials in them.
 */
export function requestLog(logger: Logger): HttpLogger {
  return pinoHttp({
    logger,
    wrapSerializers: false,
    genReqId: (_request, response) => {
      const id = randomUUID();
      response.setHeader('X-Request-Id', id);
      return id;
    },
    customLogLevel: (request, response) => levelOf(addressOf(request), response.statusCode),
    customAttributeKeys: { responseTime: 'duration_ms' },
    customErrorObject: (_request, response, _error, values) => ({
      res: response,
      duration_ms: values.duration_ms,
    }),
    serializers: {
      req: describeRequest,
      res: (response: ServerResponse) => ({ status: response.statusCode }),
    },
  });
}

function levelOf(url: string, status: number) {
  if (status === 503) return 'warn';
  if (status >= 500 && status !== 501) return 'error';
  return status < 400 && QUIET.test(url) ? 'debug' : 'info';
}

function describeRequest(request: IncomingMessage & { ip?: string }) {
  return {
    id: request.id,
    method: request.method,
    url: redactUrl(addressOf(request)),
    remote_address: clientAddress(request),
    user_agent: request.headers['user-agent'],
  };
}

/** The address as it came: Express shortens `url` inside mounted parts. */
function addressOf(request: IncomingMessage & { originalUrl?: string }): string {
  return request.originalUrl ?? request.url ?? '';
}
