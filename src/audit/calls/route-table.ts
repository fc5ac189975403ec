import type { AuditedRoute } from '../audited.decorator.js';

const ADMINISTRATION = '/api/admin/';

/** A route as the application has it. */
interface Route {
  method: string;
  /** As it is written: `/api/agent/runs/:id/cancel`. */
  pattern: string;
  audited: AuditedRoute | undefined;
  /** Also when it only reads and is allowed: routes of administrators, and those that say so. */
  isAlways: boolean;
}

/** Whose call it is: the route, and the values of its parameters in the order of the pattern. */
export interface RoutedCall {
  route: Route;
  params: ReadonlyMap<string, string>;
}

interface Entry {
  route: Route;
  expression: RegExp;
  names: string[];
}

/**
 * Finds the route of a call by its method and path, like Express does. Also where Express never came to it: what a
 * body parser refuses has a route, too.
 */
export class RouteTable {
  private entries: Entry[] = [];
  private always: Entry[] = [];

  add(method: string, pattern: string, audited: AuditedRoute | undefined): void {
    const segments = pattern.split('/').slice(1);
    const names = segments.filter(isParameter).map((segment) => segment.slice(1));
    const source = segments.map((segment) => `/${expressionOf(segment)}`).join('');
    const isAlways = audited?.always === true || pattern.startsWith(ADMINISTRATION);
    const route = { method, pattern, audited, isAlways };
    this.entries.push({ route, expression: new RegExp(`^${source}/?$`, 'i'), names });
    // Fixed words go before parameters.
    this.entries.sort((a, b) => a.names.length - b.names.length);
    this.always = this.entries.filter((entry) => entry.route.isAlways);
  }

  /** @param path without query. */
  find(method: string, path: string): RoutedCall | undefined {
    return findIn(this.entries, method, path);
  }

  /** The same among the routes that are always audited: what most calls ask for is none of these. */
  findAlways(method: string, path: string): RoutedCall | undefined {
    return findIn(this.always, method, path);
  }
}

function findIn(entries: readonly Entry[], method: string, path: string): RoutedCall | undefined {
  const asked = method === 'HEAD' ? 'GET' : method;
  for (const { route, expression, names } of entries) {
    if (route.method !== asked && route.method !== 'ALL') continue;
    const match = expression.exec(path);
    if (match === null) continue;
    return { route, params: new Map(names.map((name, index) => [name, decode(match[index + 1] ?? '')])) };
  }
  return undefined;
}

function isParameter(segment: string): boolean {
  return segment.startsWith(':');
}

function expressionOf(segment: string): string {
  if (isParameter(segment)) return '([^/]+)';
  if (segment.includes('*')) return '.*';
  return segment.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
