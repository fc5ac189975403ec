import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

/** What one customer of a provider has of IPv6 (RFC 6177): the rest of an address costs nothing. */
const IPV6_NETWORK = 64;
/** RFC 4291 §2.5.5.2, as Node shows clients of IPv4 where it listens for both. */
const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i;

/** Where a request comes from. `ip` is Express's, which believes the proxies of TRUST_PROXY and nobody else. */
export function clientAddress(request: IncomingMessage & { ip?: string | undefined }): string | undefined {
  return (request.ip ?? request.socket.remoteAddress)?.replace(MAPPED, '');
}

/**
 * Addresses of one client: of IPv4 one by one, of IPv6 a network, each in one spelling; `unknown` for what is not
 * there or is none.
 */
export function networkOf(address: string | null | undefined): string {
  if (typeof address !== 'string' || !ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const [plain] = parsed.toNormalizedString().split('%');
  return ipaddr.IPv6.networkAddressFromCIDR(`${plain}/${IPV6_NETWORK}`).toString();
}
