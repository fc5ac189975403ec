import { AppError } from '../../errors/app-error.js';

const RETRY_AFTER_S = 2;

/**
 * The server is away, on its way out, has no connection left, or is the read-only half of a failover
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html): connection exceptions, insufficient resources
 * but a full disk, operator intervention, read-only transactions, and a statement that waited too long.
 */
const AWAY = /^(08...|53[0-9A-Z]{3}|57P..|57014|25006|25P03|55P03|58030)$/;
const DISK_FULL = '53100';
/** What Node's sockets fail with. */
const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What `pg` says without a code. */
const SAID = /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client)/;

/** @returns the error as `unavailable` or `storage_full` where it tells of that, else as it is. */
export function explainPostgresError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === DISK_FULL) {
    return new AppError('storage_full', 'The database has no space left.', { cause: error });
  }
  if (!AWAY.test(code) && !NO_CONNECTION.has(code) && !SAID.test(error.message)) return error;
  return new AppError('unavailable', 'The database cannot be reached at the moment: try again.', {
    cause: error,
    retryAfter: RETRY_AFTER_S,
  });
}

/** Whether the connection on which it happened can be used again: the server itself has answered. */
export function isConnectionSound(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^(?!08|57P)[0-9A-Z]{5}$/.test(code);
}
