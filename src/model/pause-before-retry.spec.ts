import { describe, expect, it } from '@jest/globals';
import { ModelError, type ModelErrorOptions } from './model-error.js';
import { pauseBeforeRetry } from './pause-before-retry.js';

const pause = (
  { tries = 1, hasBegun = false, random = () => 0.5 },
  options: Partial<ModelErrorOptions> = {},
  code = 'overloaded_error',
) =>
  pauseBeforeRetry(new ModelError(code, 'no', { retryable: true, ...options }), { tries, hasBegun, random });

describe('the pause before a call is made again', () => {
  it('grows, with jitter over all of it', () => {
    expect([1, 2, 3].map((tries) => pause({ tries }))).toEqual([250, 500, 1_000]);
    expect(pause({ random: () => 0 })).toBe(0);
  });

  it('ends after four calls, or earlier where more make no sense', () => {
    expect(pause({ tries: 4 })).toBeUndefined();
    expect(pause({ tries: 1 }, { retries: 1 })).toBe(250);
    expect(pause({ tries: 2 }, { retries: 1 })).toBeUndefined();
    expect(pause({}, { retryable: false })).toBeUndefined();
  });

  it('is what the provider asks for, and a little more, so that those refused together come apart', () => {
    expect([0, 0.5, 1].map((part) => pause({ random: () => part }, { retryAfterMs: 12_000 }))).toEqual([
      12_000, 13_000, 14_000,
    ]);
    expect(pause({}, { retryAfterMs: 100 })).toBe(150);
    expect(pause({}, { retryAfterMs: 60_001 })).toBeUndefined();
  });

  it('is none for a limit whose end nobody tells, but for one that ended an answer', () => {
    expect(pause({}, {}, 'rate_limit_error')).toBeUndefined();
    expect(pause({ hasBegun: true }, {}, 'rate_limit_error')).toBe(250);
  });
});
