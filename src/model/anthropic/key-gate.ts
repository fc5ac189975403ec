import { setTimeout as sleep } from 'node:timers/promises';
import { ModelError } from '../language-model.js';
import type { ModelObserver, RateLimit } from '../model-notice.js';
import { errorCodeOf, isAccountError, isOutage } from './anthropic-errors.js';
import { Door, type Refusal } from './door.js';
import { rateLimitsOf } from './rate-limits.js';

/** A call waits at the gate no longer than this. */
const MAX_WAIT_MS = 60_000;
const MAX_SPREAD_MS = 2_000;
/** Failures in a row, over all runs, after which a model is left alone; one run alone makes four at most. */
const MAX_FAILURES = 40;
const FIRST_BREAK_MS = 2_000;
const LONGEST_BREAK_MS = 15_000;
/** Models whose state is kept; their names come from outside. */
const MAX_MODELS = 200;

export interface KeyGateOptions {
  observer: ModelObserver;
  /** Milliseconds since 1970. */
  now?: () => number;
  /** From 0 to 1. */
  random?: () => number;
  /** Rejects when the signal is aborted. */
  delay?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Leave to make one call. `left` is called at its end in any case; what was told before counts. */
export interface Admission {
  /** The provider took the call. */
  answered(headers: Headers): void;
  /** The provider, or the way to it, refused the call. */
  failed(error: ModelError, headers?: Headers): void;
  left(): void;
}

interface ModelState {
  door: Door;
  failures: number;
  breaks: number;
}

/**
 * What all calls with the same credentials have to heed: what one of them is told holds for the others.
 *
 * A 429 that names a time, and a limit that is used up, make every call wait. After a refusal that no wait helps
 * against (credentials, account, a pause of more than a minute) calls go one at a time until one is answered: whoever
 * comes meanwhile waits for it, and is refused with it. A model that fails again and again is left alone for a while.
 */
export class KeyGate {
  private pausedUntil = 0;
  private readonly usedUpUntil = new Map<RateLimit['kind'], number>();
  private readonly key = new Door();
  private readonly models = new Map<string, ModelState>();
  private alarmed: string | null = null;
  private readonly now: () => number;
  private readonly random: () => number;
  private readonly delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;

  constructor(private readonly options: KeyGateOptions) {
    this.now = options.now ?? Date.now;
    this.random = options.random ?? Math.random;
    this.delay = options.delay ?? ((milliseconds, signal) => sleep(milliseconds, undefined, { signal }));
  }

  /**
   * Waits until a call of the model may be made, a minute at most.
   * @throws ModelError when it may not; the reason of the signal, at once, when that is aborted.
   */
  async enter(model: string, signal: AbortSignal): Promise<Admission> {
    const entered = this.now();
    for (;;) {
      signal.throwIfAborted();
      const looked = [this.key, this.models.get(model)?.door].find((door) => door?.isLooked === true);
      if (looked !== undefined) {
        await looked.wait(signal);
        continue;
      }
      const now = this.now();
      this.key.check(now, this.spread(MAX_SPREAD_MS));
      this.models.get(model)?.door.check(now, this.spread(MAX_SPREAD_MS));
      const until = Math.max(this.pausedUntil, ...this.usedUpUntil.values());
      if (until <= now) return this.admit(model);
      if (until - entered > MAX_WAIT_MS) throw refused(pauseOf(until - now));
      await this.wait(until - now, signal);
    }
  }

  private admit(model: string): Admission {
    const state = this.models.get(model);
    const looksAt = [this.key, state?.door].filter((door) => door?.pass());
    let isTold = false;
    return {
      answered: (headers) => {
        isTold = true;
        this.readLimits(headers);
        this.works(model);
      },
      failed: (error, headers) => {
        isTold = true;
        if (headers !== undefined) this.readLimits(headers);
        this.fails(model, error);
      },
      left: () => {
        if (!isTold) for (const door of looksAt) door?.leave();
      },
    };
  }

  private works(model: string): void {
    this.key.open();
    this.alarmed = null;
    this.forget(model);
  }

  private fails(model: string, error: ModelError): void {
    const now = this.now();
    if (isAccountError(error)) return this.shutKey(error);
    if (error.isCredentialBad && error.code !== 'permission_error') {
      return this.shutKey(error);
    }
    // A 403 can be of this model alone, and which model is called is for users to say.
    if (error.isCredentialBad) {
      this.stateOf(model).door.shut(refusalOf(error), now);
      return this.key.open();
    }
    if (isOutage(error)) return this.countOutage(model, error);
    this.works(model);
    if (error.code !== 'rate_limit_error' || error.retryAfterMs === undefined) return undefined;
    if (error.retryAfterMs > MAX_WAIT_MS) return this.key.shut(pauseOf(error.retryAfterMs), now);
    this.pausedUntil = Math.max(this.pausedUntil, now + error.retryAfterMs);
    return undefined;
  }

  private shutKey(error: ModelError): void {
    this.key.shut(refusalOf(error), this.now());
    const code = errorCodeOf(error.details) || error.code;
    if (this.alarmed === code) return;
    this.alarmed = code;
    this.options.observer.alarm?.({ code, message: error.message });
  }

  private countOutage(model: string, error: ModelError): void {
    // Whether the key is good was not learned.
    this.key.leave();
    const state = this.stateOf(model);
    state.failures += 1;
    state.door.leave();
    if (state.failures < MAX_FAILURES) return;
    const longest = Math.min(FIRST_BREAK_MS * 2 ** state.breaks, LONGEST_BREAK_MS);
    state.breaks += 1;
    state.door.shut(refusalOf(error), this.now() + longest);
  }

  private stateOf(model: string): ModelState {
    const state = this.models.get(model) ?? { door: new Door(), failures: 0, breaks: 0 };
    this.models.set(model, state);
    const [oldest] = this.models.keys();
    if (this.models.size > MAX_MODELS && oldest !== undefined) this.forget(oldest);
    return state;
  }

  /** Who waits at its door goes on. */
  private forget(model: string): void {
    this.models.get(model)?.door.open();
    this.models.delete(model);
  }

  private readLimits(headers: Headers): void {
    const now = this.now();
    const limits = rateLimitsOf(headers, now);
    for (const { kind, remaining, resetsAt } of limits) {
      if (kind !== 'requests' && kind !== 'input_tokens') continue;
      if (remaining > 0 || resetsAt === null) this.usedUpUntil.delete(kind);
      else this.usedUpUntil.set(kind, Math.min(resetsAt, now + MAX_WAIT_MS));
    }
    if (limits.length > 0) this.options.observer.limits?.(limits);
  }

  /** All waited for the same moment: they come one after the other. */
  private async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    try {
      await this.delay(milliseconds + this.spread(milliseconds), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  private spread(longest: number): number {
    return this.random() * Math.min(longest, MAX_SPREAD_MS);
  }
}

function refused({ code, message, options }: Refusal): ModelError {
  return new ModelError(code, message, options);
}

function pauseOf(milliseconds: number): Refusal {
  const seconds = Math.ceil(milliseconds / 1000);
  return {
    code: 'rate_limit_error',
    message: `The provider takes no calls for ${seconds} s: its rate limit is used up.`,
    options: { retryable: true, retryAfterMs: milliseconds },
  };
}

/** Others than the one who was refused read this: it repeats nothing that belongs to that call. */
function refusalOf(error: ModelError): Refusal {
  const code = errorCodeOf(error.details);
  return {
    code: error.code,
    message: messageOf(error, code),
    options: {
      retryable: error.retryable,
      isCredentialBad: error.isCredentialBad,
      details: code === '' ? undefined : { error_code: code },
    },
  };
}

function messageOf(error: ModelError, code: string): string {
  if (isAccountError(error)) {
    return `The provider takes no calls of this account (${code === '' ? error.code : code}).`;
  }
  if (error.code === 'permission_error') return 'These credentials may not use this model.';
  if (error.isCredentialBad) return 'The provider refuses these credentials.';
  return "The model's server fails again and again; it is left alone for a moment.";
}
