import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppError } from '../../errors/app-error.js';
import { toProblem } from '../../errors/problem.js';

/** What is answered in place of 101: status, body and headers, as `ws` takes them. */
export type UpgradeRefusal = [status: number, body: string, headers: Record<string, string>];

export function upgradeRefusal(error: AppError, requestId: string): UpgradeRefusal {
  const headers = {
    'Content-Type': 'application/problem+json',
    ...(error.status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    // RFC 6455 §4.4
    ...(error.status === 400 && { 'Sec-WebSocket-Version': '13' }),
    ...(error.retryAfter !== undefined && { 'Retry-After': String(error.retryAfter) }),
  };
  return [error.status, JSON.stringify(toProblem(error, requestId)), headers];
}

/** Says no on a connection of which nobody has taken care yet, and closes it. */
export function refuseUpgrade(socket: Duplex, error: AppError): void {
  const [status, body, headers] = upgradeRefusal(error, randomUUID());
  const lines = Object.entries({
    ...headers,
    Connection: 'close',
    'Content-Length': Buffer.byteLength(body),
  }).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
}
