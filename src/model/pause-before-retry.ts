import type { ModelError } from './model-error.js';

const MAX_TRIES = 4;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A provider that asks for a longer wait than this is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Calls that were refused together come one after the other; at most so much later than they were told. */
const MAX_SPREAD_MS = 2_000;

export interface FailedTry {
  /** How often the call was made. */
  tries: number;
  /** Whether the provider had begun to answer. */
  hasBegun: boolean;
  /** From 0 to 1. */
  random: () => number;
}

/**
 * How long to wait before a call that failed is made again, in milliseconds; undefined: it is not worth another try.
 * A limit whose end nobody tells is not guessed at: a call refused with it fails at once.
 */
export function pauseBeforeRetry(
  error: ModelError,
  { tries, hasBegun, random }: FailedTry,
): number | undefined {
  const { code, retryable, retries = MAX_TRIES, retryAfterMs } = error;
  if (!retryable || tries >= MAX_TRIES || tries > retries) return undefined;
  if (code === 'rate_limit_error' && !hasBegun && retryAfterMs === undefined) return undefined;
  if ((retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) return undefined;
  if (retryAfterMs !== undefined) return retryAfterMs + random() * Math.min(retryAfterMs, MAX_SPREAD_MS);
  return random() * Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), MAX_DELAY_MS);
}
