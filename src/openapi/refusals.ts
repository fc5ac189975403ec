import { ERROR_CODES, type ErrorCode } from '../errors/error-codes.js';

/** What is known of a route, as far as it says how the route refuses. */
export interface RouteFacts {
  method: string;
  /** Asks for no principal. */
  isOpen: boolean;
  hasBody: boolean;
  hasPathParameters: boolean;
  /** Those that only this route knows. */
  own: readonly ErrorCode[];
}

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

/** Any other status that a server, or what stands in front of it, may answer with. */
const OTHERWISE = { description: 'Any other refusal', content: PROBLEM };

const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds until it may be tried again', schema: { type: 'integer' } },
};
const HEADERS: Record<number, object> = {
  401: { 'WWW-Authenticate': { description: 'Bearer (RFC 6750 §3)', schema: { type: 'string' } } },
  429: RETRY_AFTER,
  503: RETRY_AFTER,
};

/** For each status with which the route may refuse: its codes, in words. */
export function refusalResponses(route: RouteFacts): Record<string, object> {
  const byStatus = Map.groupBy(new Set(codesOf(route)), (code) => ERROR_CODES[code].status);
  const responses = [...byStatus].map(([status, codes]) => {
    const description = codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].title}`).join('. ');
    return [status, { description, ...headersOf(status), content: PROBLEM }] as const;
  });
  return { ...Object.fromEntries(responses), default: OTHERWISE };
}

function headersOf(status: number): object {
  return status in HEADERS ? { headers: HEADERS[status] } : {};
}

function codesOf({ method, isOpen, hasBody, hasPathParameters, own }: RouteFacts): ErrorCode[] {
  const changes = method !== 'get';
  return [
    'invalid_request',
    ...when(!isOpen, 'mixed_credentials', 'unauthenticated', 'forbidden', 'too_many_requests', 'unavailable'),
    ...when(changes, 'cross_site'),
    ...when(hasPathParameters, 'not_found'),
    ...when(hasBody, 'payload_too_large', 'unsupported_media_type'),
    ...when(changes && !isOpen, 'storage_full'),
    ...own,
  ];
}

function when(holds: boolean, ...codes: ErrorCode[]): ErrorCode[] {
  return holds ? codes : [];
}
