import { lookup as systemLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ToolError } from '../tool-error.js';

type Address = ReturnType<typeof ipaddr.parse>;
type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses?: LookupAddress[]) => void,
) => void;

export interface AddressGuardOptions {
  /** Addresses to allow although they are not public, in their usual form. */
  except?: readonly string[];
  /** How names become addresses; the system's way (getaddrinfo) by default. */
  resolve?: Resolve;
}

/** All of IPv6 that is given out as global unicast (IANA); what lies outside is nobody's public server. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** An IPv4 address as an IPv6-only network sees it (RFC 6052 §2.1): stands for the address in its last 32 bits. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Looks public, but is the host's agent on every Azure machine. */
const HOST_SERVICES = ['168.63.129.16'];

/**
 * Which addresses this server connects to when a model names the place: public ones only.
 * Loopback, private, link-local, shared (CGNAT), multicast and reserved addresses are refused (RFC 6890), also
 * when they are wrapped into IPv6.
 */
export class AddressGuard {
  private readonly except: readonly string[];
  private readonly resolve: Resolve;

  constructor(options: AddressGuardOptions = {}) {
    this.except = options.except ?? [];
    this.resolve = options.resolve ?? systemLookup;
  }

  /** Whether this address (not a name) may be connected to. */
  allows(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const target = unwrap(ipaddr.parse(address));
    return this.except.includes(target.toString()) || isPublic(target);
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
        callback(
          new ToolError(`"${hostname}" is not a public address. Only public addresses can be fetched.`),
          [],
        );
      } else if (options.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

function unwrap(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return address.match(NAT64) ? ipaddr.fromByteArray(address.toByteArray().slice(12)) : address;
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast' || HOST_SERVICES.includes(address.toString())) return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}
