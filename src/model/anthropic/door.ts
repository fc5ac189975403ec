import { ModelError, type ModelErrorOptions } from '../language-model.js';

export interface Refusal {
  code: string;
  message: string;
  options: ModelErrorOptions;
}

/** How long others are told to wait while somebody is looking, in milliseconds. */
const LOOK_MS = 2_000;

/** A way that was found closed: nobody tries it for a while, then one goes and looks for all. */
export class Door {
  private refusal: Refusal | null = null;
  private until = 0;
  private isLooking = false;

  /** @param until milliseconds, as `now` counts them */
  shut(refusal: Refusal, until: number): void {
    this.refusal = refusal;
    this.until = until;
    this.isLooking = false;
  }

  open(): void {
    this.refusal = null;
    this.isLooking = false;
  }

  /**
   * @param spread milliseconds to add to what the refused are told to wait
   * @throws ModelError the refusal, while the door is shut or somebody is looking
   */
  check(now: number, spread: number): void {
    if (this.refusal === null || (now >= this.until && !this.isLooking)) return;
    const { code, message, options } = this.refusal;
    const wait = this.isLooking ? LOOK_MS : this.until - now;
    throw new ModelError(code, message, {
      ...options,
      ...(options.retryable ? { retryAfterMs: Math.ceil(wait + spread) } : {}),
    });
  }

  /** Goes through. @returns whether the caller is the one who looks: `open`, `shut` or `leave` has to follow. */
  pass(): boolean {
    if (this.refusal === null) return false;
    this.isLooking = true;
    return true;
  }

  /** The one who went to look came back without an answer. */
  leave(): void {
    this.isLooking = false;
  }
}
