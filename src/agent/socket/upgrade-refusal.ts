import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '../../errors/app-error.js';
import { toProblem } from '../../errors/problem.js';
import { refusalHeaders, refuseRaw } from '../../errors/raw-refusal.js';

/** What is answered in place of 101: status, body and headers, as `ws` takes them. */
export type UpgradeRefusal = [status: number, body: string, headers: Record<string, string>];

/** RFC 6455 §4.4; a socket begins with GET alone. */
function more({ status }: AppError): Record<string, string> {
  if (status === 400) return { 'Sec-WebSocket-Version': '13' };
  return status === 405 ? { Allow: 'GET' } : {};
}

export function upgradeRefusal(error: AppError, requestId: string): UpgradeRefusal {
  const headers = { ...refusalHeaders(error, requestId), ...more(error) };
  return [error.status, JSON.stringify(toProblem(error, requestId)), headers];
}

/** Says no on a connection of which nobody has taken care yet, and closes it. */
export function refuseUpgrade(socket: Duplex, error: AppError): void {
  socket.once('finish', () => socket.destroy());
  refuseRaw(socket, error, more(error));
}

/** What `ws` itself finds wrong with a handshake: its method, or one of its headers. */
export function refuseHandshake({ message }: Error, socket: Duplex, { method }: IncomingMessage): void {
  const error =
    method !== 'GET'
      ? new AppError('method_not_allowed', 'Sockets begin with GET.')
      : new AppError('invalid_request', `The handshake is not that of RFC 6455: ${message}.`);
  refuseUpgrade(socket, error);
}
