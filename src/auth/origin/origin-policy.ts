import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../errors/app-error.js';

/** What of a request tells where it comes from. */
export interface Visit {
  /** `http` or `https`, as the client sees it. */
  protocol: string;
  headers: IncomingHttpHeaders;
}

/**
 * Which pages may act with a visitor's cookie: those of ALLOWED_ORIGINS, else those of the origin under which
 * the server was called. A browser's `Origin` and `Sec-Fetch-Site` (W3C Fetch Metadata) cannot be set by a page.
 * Every check throws AppError `cross_site`.
 */
export class OriginPolicy {
  /** @param allowed exact origins; null: the server's own. */
  constructor(private readonly allowed: readonly string[] | null) {}

  isAllowed(origin: string, visit: Visit): boolean {
    return this.allowed === null ? isOwn(origin, visit) : this.allowed.includes(origin);
  }

  /**
   * A request with a cookie that changes something: the browser has to say that it comes from our pages. Those of the
   * server itself may always. Behind a proxy that ends TLS the protocol is not known, but `same-origin` is enough.
   */
  checkChange(visit: Visit): void {
    const { origin } = visit.headers;
    const isSame = siteOf(visit) === 'same-origin';
    if (origin === undefined ? isSame : isSame && isOwnHost(origin, visit)) return;
    if (origin === undefined || !(isOwn(origin, visit) || this.isAllowed(origin, visit))) throw crossSite();
  }

  /** A request that needs no credentials, like a login: other programs than browsers say nothing, and may. */
  checkPublicChange(visit: Visit): void {
    if (visit.headers.origin !== undefined || siteOf(visit) === 'cross-site') this.checkChange(visit);
  }

  /** A stream with a cookie. An EventSource of our own page sends `Sec-Fetch-Site: same-origin` and no Origin. */
  checkStream(visit: Visit): void {
    const site = siteOf(visit);
    const { origin } = visit.headers;
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw crossSite();
    if (origin !== undefined && !this.isAllowed(origin, visit)) throw crossSite();
  }

  /** A socket with a cookie. Browsers send Origin always and Sec-Fetch-Site never (RFC 6455 §10.2). */
  checkSocket(visit: Visit, needsOrigin: boolean): void {
    const { origin } = visit.headers;
    if (origin === undefined ? needsOrigin : !this.isAllowed(origin, visit)) throw crossSite();
  }
}

function isOwn(origin: string, { protocol, headers: { host } }: Visit): boolean {
  return host !== undefined && origin === `${protocol}://${host.toLowerCase()}`;
}

/** With the default port of the origin's protocol said or not. */
function isOwnHost(origin: string, { headers: { host } }: Visit): boolean {
  const [protocol] = /^https?:\/\//.exec(origin) ?? [];
  return protocol !== undefined && URL.parse(`${protocol}${host ?? ''}`)?.origin === origin;
}

function siteOf(visit: Visit): string | string[] | undefined {
  return visit.headers['sec-fetch-site'];
}

function crossSite(): AppError {
  return new AppError('cross_site', 'Requests with a cookie are taken from pages of this server only.');
}
