import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch } from '@nestjs/common';
import { noteRefusal } from '../../audit/notes.js';
import { hasCode } from '../../errors/app-error.js';
import { ProblemFilter } from '../../errors/problem.filter.js';
import { retryLine, STREAM_HEADERS } from './sse-writer.js';

const STREAM = /^\/api\/agent\/stream(\?|$)/;

/**
 * Refusals over HTTP, with one exception: an `EventSource` gives up for good at any status but 200 (WHATWG HTML
 * §9.2.2), so a stream that only cannot be opened right now is a stream without events that says when to come back.
 */
@Catch()
export class StreamProblemFilter extends ProblemFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<IncomingMessage>();
    const response = host.switchToHttp().getResponse<ServerResponse>();
    const isStream = request.method === 'GET' && STREAM.test(request.url ?? '');
    if (isStream && !response.headersSent && isForNow(exception)) {
      if (hasCode(exception, 'too_many_requests')) noteRefusal(request, exception.code);
      response.writeHead(200, STREAM_HEADERS).end(retryLine(waitOf(exception)));
    } else {
      super.catch(exception, host);
    }
  }
}

function isForNow(exception: unknown): boolean {
  return (
    hasCode(exception, 'unavailable') ||
    hasCode(exception, 'storage_full') ||
    hasCode(exception, 'too_many_requests')
  );
}

/** Who comes back before the limit allows it is refused again; who comes a little later meets fewer others. */
function waitOf(exception: unknown): number | undefined {
  return hasCode(exception, 'too_many_requests') ? exception.retryAfter : undefined;
}
