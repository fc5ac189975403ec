import { AppError } from '../../errors/app-error.js';

const RETRY_AFTER_S = 2;

/** Answers of a Redis that is full; inside a script the code stands in the middle of the text. */
const FULL = /\bOOM command/;
/**
 * Answers of a Redis that cannot do its work now: it cannot persist, is a replica (a failover), loads its data,
 * has lost its master or its cluster, runs a long script, or takes other credentials than before.
 */
const AWAY =
  /\b(MISCONF|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|UNBLOCKED|NOAUTH|WRONGPASS)\b/;

/** @returns the error as `unavailable` or `storage_full` where it tells of that, else as it is. */
export function explainRedisError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError || error instanceof TypeError) return error;
  if (FULL.test(error.message)) {
    return new AppError('storage_full', 'The event log has no space left.', { cause: error });
  }
  // What Redis itself has not answered is an error of the connection: closed, timed out, never made.
  const isAnswer = error.name === 'ReplyError';
  if (isAnswer && !AWAY.test(error.message)) return error;
  return new AppError('unavailable', 'The event log cannot be reached at the moment: try again.', {
    cause: error,
    retryAfter: RETRY_AFTER_S,
  });
}
