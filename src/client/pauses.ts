import { AgentlineError } from './agentline-error.js';

/** How long a client stays away, in milliseconds. */
export interface PauseOptions {
  /** The longest wait between two attempts; 15 s when not given. */
  longestPauseMs?: number | undefined;
  /** Makes the pauses; for tests. Rejects with the signal's reason when that is aborted. */
  pause?: ((milliseconds: number, signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** 0 to 1; for tests. */
  random?: (() => number) | undefined;
}

/** The wait before the first return, until the server says another (`retry:`). */
const FIRST_MS = 1_000;
const LONGEST_MS = 15_000;

/**
 * Waits before attempts. The first return comes after what the server has asked for, which it spreads by itself; later
 * ones double, with jitter, so that all clients of a server that was away do not come back at once.
 */
export class Pauses {
  private failures = 0;
  private readonly longest: number;
  private readonly pause: NonNullable<PauseOptions['pause']>;
  private readonly random: () => number;

  constructor(
    { longestPauseMs = LONGEST_MS, pause = sleep, random = Math.random }: PauseOptions,
    private first = FIRST_MS,
  ) {
    this.longest = longestPauseMs;
    this.pause = pause;
    this.random = random;
  }

  /** The server's `retry:` (WHATWG HTML §9.2.6). */
  hear(retryMs: number): void {
    this.first = retryMs;
  }

  /** Something has worked: the next failure is the first. */
  reset(): void {
    this.failures = 0;
  }

  /** @param error why there is a pause; what it says of `Retry-After` is waited for at least. */
  async wait(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    await this.rest(this.next(error), signal);
  }

  /** Milliseconds of the pause that comes now; `error` as for `wait`. */
  next(error: unknown): number {
    const asked = error instanceof AgentlineError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(asked, this.longer());
  }

  rest(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    return this.pause(milliseconds, signal);
  }

  private longer(): number {
    const most = Math.min(this.longest, this.first * 2 ** this.failures);
    const isFirst = this.failures === 0;
    this.failures = Math.min(this.failures + 1, 16);
    return Math.round(isFirst ? most : most / 2 + (this.random() * most) / 2);
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
