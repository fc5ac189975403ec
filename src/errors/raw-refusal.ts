import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppError } from './app-error.js';
import { problemHeaders, toProblem } from './problem.js';

/** Those of every refusal that does not go through helmet's middleware and the filter. */
export function refusalHeaders(error: AppError, requestId: string): Record<string, string> {
  return {
    'Content-Type': 'application/problem+json',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': requestId,
    Date: new Date().toUTCString(),
    Connection: 'close',
    ...problemHeaders(error),
  };
}

/**
 * Says no on a connection for which there is no response object, and closes it: nothing that follows on it is a
 * request any more.
 * @param more headers beside those of every refusal.
 */
export function refuseRaw(
  socket: Duplex,
  error: AppError,
  more: Record<string, string> = {},
  requestId: string = randomUUID(),
): void {
  const body = JSON.stringify(toProblem(error, requestId));
  const lines = Object.entries({
    ...refusalHeaders(error, requestId),
    ...more,
    'Content-Length': Buffer.byteLength(body),
  }).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.end([`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`, ...lines, '', body].join('\r\n'));
}
