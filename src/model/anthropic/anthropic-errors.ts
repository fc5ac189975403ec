import { APIError } from '@anthropic-ai/sdk';
import { ModelError, type ModelErrorOptions } from '../language-model.js';
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
const CREDENTIAL_TYPES = new Set([401, 403].map((status) => TYPE_OF_STATUS[status]));

/** Sent as 429 or 403, yet no wait helps: a person must raise a limit or settle an account. */
const ACCOUNT_CODES = /_spend_limit_reached$|^organization_on_hold$/;
const IMAGE_TOO_LARGE = 'image_dimensions_too_large';

/** The API has no code for it, only these words. */
const OVERFLOW = /prompt is too long|exceeds?\b.{0,40}\bcontext/i;

/** What came is not the wire that was agreed; the next attempt may be. */
export function protocolError(message: string, cause?: unknown): ModelError {
  return new ModelError('model_protocol', message, { retryable: true, cause });
}

/** The server answers with something else than the stream that was asked for: a second look is enough. */
export function wrongAnswerError(message: string): ModelError {
  return new ModelError('model_protocol', message, { retryable: true, retries: 1 });
}

/** The body ended, or its connection broke, before the message was whole. */
export function truncatedError(cause?: unknown): ModelError {
  return new ModelError('model_stream_truncated', 'The model stopped sending before its answer was whole.', {
    retryable: true,
    cause,
  });
}

/** An `error` event after the 200, whose data is `{type: 'error', error: {type, message, details?}, request_id?}`. */
export function streamError(event: Json, requestId?: string): ModelError {
  const error = isRecord(event.error) ? event.error : {};
  const type = typeof error.type === 'string' ? error.type : 'api_error';
  return providerError(
    { type, message: error.message, details: error.details },
    { otherwise: 'The model failed in mid-answer.', requestId: event.request_id ?? requestId },
    { retryable: !PERMANENT_TYPES.has(type) },
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
      { retryable: true, cause: error },
    );
  }
  const body: unknown = error.error;
  return providerError(
    {
      type: error.type ?? TYPE_OF_STATUS[status] ?? (status >= 500 ? 'api_error' : `http_${status}`),
      message: error.apiMessage,
      details: error.details,
    },
    {
      otherwise: `The model's server answered ${status}.`,
      requestId: error.requestID ?? (isRecord(body) ? body.request_id : undefined),
    },
    {
      retryable: isRetryableStatus(status),
      retryAfterMs: retryAfterMs(error.headers, now),
      isCredentialBad: status === 401 || status === 403,
      cause: error,
    },
  );
}

/** Whether only a person can mend it: nothing is to be called until then. */
export function isAccountError(error: ModelError): boolean {
  return error.code === TYPE_OF_STATUS[402] || ACCOUNT_CODES.test(errorCodeOf(error.details));
}

/** Whether the provider, or the way to it, is ill; not the call. */
export function isOutage(error: ModelError): boolean {
  const { code } = error;
  return (
    code === 'model_unreachable' ||
    code === 'api_error' ||
    code === TYPE_OF_STATUS[529] ||
    code === TYPE_OF_STATUS[504] ||
    code === 'internal_error'
  );
}

/** The provider's own name of the cause; empty where it gives none. */
export function errorCodeOf(details: unknown): string {
  const code = isRecord(details) ? details.error_code : undefined;
  return typeof code === 'string' ? code : '';
}

interface Told {
  type: string;
  message: unknown;
  details: unknown;
}

function providerError(
  told: Told,
  { otherwise, requestId }: { otherwise: string; requestId: unknown },
  options: ModelErrorOptions,
): ModelError {
  const details = isRecord(told.details) ? told.details : undefined;
  const code = errorCodeOf(details);
  const text = typeof told.message === 'string' && told.message !== '' ? told.message : otherwise;
  const id = typeof requestId === 'string' && requestId !== '' ? requestId : undefined;
  const isPermanent = ACCOUNT_CODES.test(code) || code === IMAGE_TOO_LARGE;
  return new ModelError(
    code === IMAGE_TOO_LARGE ? code : told.type,
    `${text}${code === IMAGE_TOO_LARGE ? imageAdvice(details) : ''}${id === undefined ? '' : ` (request ${id})`}`,
    {
      isCredentialBad: CREDENTIAL_TYPES.has(told.type),
      ...options,
      retryable: options.retryable && !isPermanent,
      isContextOverflow: told.type === TYPE_OF_STATUS[400] && OVERFLOW.test(text),
      requestId: id,
      details,
    },
  );
}

/** Which images they are, and how large they may be. */
function imageAdvice(details: Json | undefined): string {
  const paths = Array.isArray(details?.paths) ? details.paths.slice(0, 20).join(', ') : '';
  const side = details?.max_side_length_pixels;
  const most = typeof side === 'number' ? ` A side may have ${side} pixels.` : '';
  return `${paths === '' ? '' : ` Too large: ${paths}.`}${most}`;
}

function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

function retryAfterMs(headers: Headers | undefined, now: number): number | undefined {
  const milliseconds = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (milliseconds >= 0) return Math.ceil(milliseconds);
  const after = headers?.get('retry-after') ?? '';
  if (after === '') return undefined;
  const wait = Number.isNaN(Number(after)) ? Date.parse(after) - now : Number(after) * 1000;
  return Number.isFinite(wait) ? Math.max(0, Math.ceil(wait)) : undefined;
}
