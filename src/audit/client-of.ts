import type { IncomingMessage } from 'node:http';
import type { Client } from './audit-entry.js';
import { safeText } from './safe-text.js';

const MAX_USER_AGENT = 200;
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/;

/** Where a request comes from. `ip` is Express's, which believes the proxies of TRUST_PROXY and nobody else. */
export function clientOf(
  request: IncomingMessage & { ip?: string | undefined; id?: unknown },
  requestId: unknown = request.id,
): Client {
  const address = request.ip ?? request.socket.remoteAddress;
  const userAgent = request.headers['user-agent'];
  return {
    address: address === undefined ? null : safeText(address.replace(MAPPED, ''), 64),
    userAgent: userAgent === undefined ? null : safeText(userAgent, MAX_USER_AGENT),
    requestId: typeof requestId === 'string' ? requestId : null,
  };
}
