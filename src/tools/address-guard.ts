import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ToolError } from './tool-error.js';

type Address = ReturnType<typeof ipaddr.parse>;
type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses?: LookupAddress[]) => void,
) => void;

export interface AddressGuardOptions {
  /**
   * Whether addresses and names of the inside are allowed too, where an operator named the place: private, shared
   * and loopback ones. What clouds and hosts keep for their own services (metadata) is refused all the same.
   */
  inside?: boolean;
  /** Addresses to allow although they are not public, in their usual form. */
  except?: readonly string[];
  /** How names become addresses; the system's way (getaddrinfo) by default. */
  resolve?: Resolve;
}

/** All of IPv6 that is given out as global unicast (IANA); what lies outside is nobody's public server. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** An IPv4 address as an IPv6-only network sees it (RFC 6052 §2.1): stands for the address in its last 32 bits. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Services of the host: Azure's agent looks public, the metadata of Alibaba, Oracle and AWS (IPv6) look private. */
const HOST_SERVICES = ['168.63.129.16', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254'];
/** What a network has to itself (RFC 1918, 6598, 4193) and the machine itself. */
const INSIDE_RANGES = ['private', 'loopback', 'carrierGradeNat', 'uniqueLocal'];
/** Names that are for inside by definition (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal). */
const INSIDE_NAMES = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa)$/;

/**
 * Which addresses this server connects to where a model or another server names the place: public ones only.
 * Loopback, private, link-local, shared (CGNAT), multicast and reserved addresses are refused (RFC 6890), also
 * when they are wrapped into IPv6.
 */
export class AddressGuard {
  private readonly inside: boolean;
  private readonly except: readonly string[];
  private readonly resolve: Resolve;

  constructor(options: AddressGuardOptions = {}) {
    this.inside = options.inside ?? false;
    this.except = options.except ?? [];
    this.resolve = options.resolve ?? systemLookup;
  }

  /** Whether this address (not a name) may be connected to. */
  allows(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const target = unwrap(ipaddr.parse(address));
    if (this.except.includes(target.toString())) return true;
    if (HOST_SERVICES.includes(target.toString())) return false;
    return isPublic(target) || (this.inside && INSIDE_RANGES.includes(target.range()));
  }

  /**
   * Whether a URL may name this host, an address or a name. Of a name only what it says is judged: what it resolves
   * to is judged by `lookup`.
   */
  allowsHost(host: string): boolean {
    if (isIP(host) !== 0) return this.allows(host);
    // A name without a dot is completed by the resolver to one of the own network.
    return this.inside || (host.includes('.') && !INSIDE_NAMES.test(host));
  }

  /**
   * A `lookup` for sockets (node:net): they connect to what it answers, so nothing is resolved a second time.
   * One forbidden address refuses the name. Sockets do not ask it about literals: check those with `allows`.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || addresses === undefined || first === undefined) {
        callback(error ?? new ToolError(`"${hostname}" has no address.`), []);
      } else if (!addresses.every(({ address }) => this.allows(address))) {
        callback(notPublic(hostname), []);
      } else if (options.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

export function notPublic(host: string): ToolError {
  return new ToolError(`"${host}" is not a public address. Only public addresses can be fetched.`);
}

function unwrap(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return address.match(NAT64) ? ipaddr.fromByteArray(address.toByteArray().slice(12)) : address;
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}
