import { ModelError, type ModelErrorOptions } from '../language-model.js';

export interface Refusal {
  code: string;
  message: string;
  options: ModelErrorOptions;
}

/**
 * A way that was found closed. When its time is over one goes and looks, for all who come meanwhile: they wait, and
 * hear what the one has found.
 */
export class Door {
  private refusal: Refusal | null = null;
  private until = 0;
  private look: { over: Promise<void>; end: () => void } | null = null;

  /** @param until milliseconds, as `now` counts them; from then on one may look */
  shut(refusal: Refusal, until: number): void {
    this.refusal = refusal;
    this.until = until;
    this.leave();
  }

  open(): void {
    this.refusal = null;
    this.leave();
  }

  /**
   * @param spread milliseconds to add to what the refused are told to wait
   * @throws ModelError the refusal, while nobody may look
   */
  check(now: number, spread: number): void {
    if (this.refusal === null || now >= this.until) return;
    const { options } = this.refusal;
    this.refuse(options.retryable ? { retryAfterMs: Math.ceil(this.until - now + spread) } : {});
  }

  /** Whether somebody is looking. */
  get isLooked(): boolean {
    return this.look !== null;
  }

  /** Waits for the one who looks. @throws ModelError when the door was found shut; the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.look === null) return;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const before = this.refusal;
    try {
      await Promise.race([this.look.over, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    // Shut anew means that the look has failed; the same refusal, that it came to nothing.
    if (this.refusal !== null && this.refusal !== before) this.refuse({});
  }

  /** Goes through. @returns whether the caller is the one who looks: `open`, `shut` or `leave` has to follow. */
  pass(): boolean {
    if (this.refusal === null) return false;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    this.look = { over, end };
    return true;
  }

  /** The one who went to look came back, with or without an answer. */
  leave(): void {
    this.look?.end();
    this.look = null;
  }

  private refuse(also: Partial<ModelErrorOptions>): void {
    if (this.refusal === null) return;
    const { code, message, options } = this.refusal;
    throw new ModelError(code, message, { ...options, ...also });
  }
}
