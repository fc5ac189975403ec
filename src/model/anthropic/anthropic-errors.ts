import { APIError } from '@anthropic-ai/sdk';
import { ModelError } from '../language-model.js';
import { isRecord, type Json } from '../json.js';

const TYPE_OF_STATUS: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Errors of a call that is wrong in itself: the same call fails again. */
const PERMANENT_TYPES = new Set([400, 401, 402, 403, 404, 413].map((status) => TYPE_OF_STATUS[status]));

/** Sent as 429, yet no wait helps: a person must raise a limit or settle an account. */
const PERMANENT_CODES = new Set([
  'enforced_spend_limit_reached',
  'contract_spend_limit_reached',
  'organization_on_hold',
]);

/** What came is not the wire that was agreed; the next attempt may be. */
export function protocolError(message: string, cause?: unknown): ModelError {
  return new ModelError('model_protocol', message, { retryable: true, cause });
}

/** The body ended, or its connection broke, before the message was whole. */
export function truncatedError(cause?: unknown): ModelError {
  return new ModelError('model_stream_truncated', 'The model stopped sending before its answer was whole.', {
    retryable: true,
    cause,
  });
}

/** An `error` event after the 200, whose data is `{type: 'error', error: {type, message, details?}, request_id?}`. */
export function streamError(event: Json): ModelError {
  const error = isRecord(event.error) ? event.error : {};
  const type = typeof error.type === 'string' ? error.type : 'api_error';
  const code = isRecord(error.details) ? error.details.error_code : undefined;
  return new ModelError(
    type,
    withRequestId(error.message, 'The model failed in mid-answer.', event.request_id),
    {
      retryable: !PERMANENT_TYPES.has(type) && !isPermanentCode(code),
    },
  );
}

/**
 * What the SDK threw before an answer began, as a `ModelError`.
 * @param now milliseconds since 1970, for a `Retry-After` that is a date (RFC 9110 §10.2.3)
 */
export function callError(error: unknown, now = Date.now()): ModelError {
  if (!(error instanceof APIError)) {
    return new ModelError('invalid_request_error', 'The call of the model could not be made.', {
      retryable: false,
      cause: error,
    });
  }
  const status: number | undefined = error.status;
  if (status === undefined) {
    return new ModelError(
      'model_unreachable',
      'The model could not be reached. Check ANTHROPIC_BASE_URL and the network.',
      {
        retryable: true,
        cause: error,
      },
    );
  }
  const body: unknown = error.error;
  const code = error.type ?? TYPE_OF_STATUS[status] ?? (status >= 500 ? 'api_error' : `http_${status}`);
  const requestId = error.requestID ?? (isRecord(body) ? body.request_id : undefined);
  return new ModelError(
    code,
    withRequestId(error.apiMessage, `The model's server answered ${status}.`, requestId),
    {
      retryable: isRetryableStatus(status) && !isPermanentCode(error.errorCode),
      retryAfterMs: retryAfterMs(error.headers, now),
      cause: error,
    },
  );
}

function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

function isPermanentCode(code: unknown): boolean {
  return typeof code === 'string' && PERMANENT_CODES.has(code);
}

function withRequestId(message: unknown, otherwise: string, requestId: unknown): string {
  const text = typeof message === 'string' && message !== '' ? message : otherwise;
  return typeof requestId === 'string' && requestId !== '' ? `${text} (request ${requestId})` : text;
}

function retryAfterMs(headers: Headers | undefined, now: number): number | undefined {
  const milliseconds = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (milliseconds >= 0) return Math.ceil(milliseconds);
  const after = headers?.get('retry-after') ?? '';
  if (after === '') return undefined;
  const wait = Number.isNaN(Number(after)) ? Date.parse(after) - now : Number(after) * 1000;
  return Number.isFinite(wait) ? Math.max(0, Math.ceil(wait)) : undefined;
}
