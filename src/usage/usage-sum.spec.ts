import { describe, expect, it } from '@jest/globals';
import { NO_COST } from './cost.js';
import { addCall, estimateCall, NO_USAGE } from './usage-sum.js';

const usage = {
  input_tokens: 10,
  output_tokens: 7,
  cache_read_input_tokens: 3,
  cache_creation_input_tokens: 2,
};
const call = { usage, estimated: false, costMicroUsd: 40 };
const nothing = { usage: NO_USAGE, cost: NO_COST };

describe('spending', () => {
  it('adds up what each call tells, and what it costs', () => {
    expect(addCall(addCall(nothing, call), call)).toEqual({
      usage: {
        input_tokens: 20,
        output_tokens: 14,
        cache_read_input_tokens: 6,
        cache_creation_input_tokens: 4,
        model_calls: 2,
        estimated: false,
      },
      cost: { microUsd: 80, isKnown: true },
    });
    expect(nothing).toEqual({ usage: { ...NO_USAGE, model_calls: 0 }, cost: { microUsd: 0, isKnown: true } });
  });

  it('is estimated, and its cost not known, for good once a call of it is', () => {
    const once = addCall(nothing, { usage, estimated: true, costMicroUsd: null });

    expect(addCall(once, call)).toMatchObject({
      usage: { estimated: true },
      cost: { microUsd: 40, isKnown: false },
    });
  });

  it('takes four characters of a broken call for a token', () => {
    expect(estimateCall({ ...usage, output_tokens: 1 }, 41)).toEqual({ ...usage, output_tokens: 11 });
  });

  it('takes what a broken call told of its output when that is more', () => {
    expect(estimateCall({ ...usage, output_tokens: 9 }, 4).output_tokens).toBe(9);
  });
});
