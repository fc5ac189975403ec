import { ERROR_CODES, type ErrorCode } from './error-codes.js';

/** One wrong place in a body: `path` in dots (`content.0.text`, empty for the whole), `message` for a person. */
export interface FieldError {
  path: string;
  message: string;
}

export interface AppErrorOptions {
  cause?: unknown;
  errors?: FieldError[];
  /** Seconds after which the call may be tried again; sent as `Retry-After` (RFC 9110 §10.2.3). */
  retryAfter?: number;
}

/**
 * The one error that this product throws on purpose.
 * The message is shown to the caller: it says what happened and what to check next, and holds no secret,
 * SQL, path or version. What only the operator may see goes into `cause`.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** The HTTP status. A field and not a getter: http-errors, which body-parser uses, assigns to it. */
  readonly status: number;
  readonly errors: FieldError[] | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = ERROR_CODES[code].status;
    this.errors = options.errors;
    this.retryAfter = options.retryAfter;
  }
}

/** Whether the error is one of ours with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is AppError {
  return error instanceof AppError && error.code === code;
}
