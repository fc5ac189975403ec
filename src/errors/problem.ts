import { z } from 'zod';
import type { AppError } from './app-error.js';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';

/**
 * The body of every refusal: problem details (RFC 9457 §3). `type` is `urn:agentline:problem:<code>`, a name
 * and not an address: nothing has to be fetched to understand it. `code` is its last part.
 * Two refusals for the same reason differ in `request_id` only.
 */
export const problem = z
  .strictObject({
    type: z.string().describe('urn:agentline:problem:<code>'),
    title: z.string().describe('The kind of problem; the same for every occurrence'),
    status: z.int().describe('The HTTP status'),
    detail: z.string().describe('What happened and what to check next'),
    code: z.enum(Object.keys(ERROR_CODES) as ErrorCode[]).describe('What programs compare'),
    request_id: z.string().describe('Finds this request in the log of the server'),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe('The wrong places of a body; path in dots, empty for the whole'),
  })
  .meta({ id: 'Problem' });

export type Problem = z.output<typeof problem>;

export function toProblem(error: AppError, requestId: string): Problem {
  return {
    type: `urn:agentline:problem:${error.code}`,
    title: ERROR_CODES[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    request_id: requestId,
    ...(error.errors && { errors: error.errors }),
  };
}

/** Methods that some address here takes; which, the description of the API says. */
const METHODS = 'GET, HEAD, POST, PATCH, DELETE';

/** What else a refusal says in its head, beside its type. */
export function problemHeaders({ status, retryAfter }: AppError): Record<string, string> {
  return {
    'Cache-Control': 'no-store',
    // RFC 6750 §3
    ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
    // RFC 9110 §15.5.6
    ...(status === 405 && { Allow: METHODS }),
    ...(retryAfter !== undefined && { 'Retry-After': String(Math.ceil(retryAfter)) }),
  };
}
