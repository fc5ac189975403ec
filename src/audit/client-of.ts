import type { IncomingMessage } from 'node:http';
import { clientAddress } from '../telemetry/client-address.js';
import type { Client } from './audit-entry.js';
import { safeText } from './safe-text.js';

const MAX_USER_AGENT = 200;

/** Where a request comes from, as the audit and the list of logins keep it. */
export function clientOf(
  request: IncomingMessage & { ip?: string | undefined; id?: unknown },
  requestId: unknown = request.id,
): Client {
  const address = clientAddress(request);
  const userAgent = request.headers['user-agent'];
  return {
    address: address === undefined ? null : safeText(address, 64),
    userAgent: userAgent === undefined ? null : safeText(userAgent, MAX_USER_AGENT),
    requestId: typeof requestId === 'string' ? requestId : null,
  };
}
