import { ModelError } from './model-error.js';

/**
 * Makes one call with a signal that ends with the caller's, or, with a retryable `model_timeout`, after `longestMs`.
 * The signal of the call is not tied to the caller's any more when the call is over.
 */
export async function timedCall<T>(
  longestMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal.reason);
  const timer = setTimeout(() => own.abort(timeout(longestMs)), longestMs);
  // Not AbortSignal.any: a run makes many calls, and each would stay tied to the run's signal.
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await call(own.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function timeout(afterMs: number): ModelError {
  return new ModelError('model_timeout', `The model's answer was not whole after ${afterMs} ms.`, {
    retryable: true,
  });
}
