import { describe, expect, it } from '@jest/globals';
import { addBrokenCall, addCall, NO_USAGE } from './usage-sum.js';

const call = {
  input_tokens: 10,
  output_tokens: 7,
  cache_read_input_tokens: 3,
  cache_creation_input_tokens: 2,
};

describe('usage', () => {
  it('adds up what each call tells', () => {
    expect(addCall(addCall(NO_USAGE, call), call)).toEqual({
      input_tokens: 20,
      output_tokens: 14,
      cache_read_input_tokens: 6,
      cache_creation_input_tokens: 4,
      model_calls: 2,
      estimated: false,
    });
    expect(NO_USAGE.model_calls).toBe(0);
  });

  it('estimates the output of a broken call from its text, four characters a token, and says so for good', () => {
    const broken = addBrokenCall(addCall(NO_USAGE, call), { ...call, output_tokens: 1 }, 41);

    expect(broken).toMatchObject({ input_tokens: 20, output_tokens: 18, model_calls: 2, estimated: true });
    expect(addCall(broken, call).estimated).toBe(true);
  });

  it('takes what a broken call told of its output when that is more', () => {
    expect(addBrokenCall(NO_USAGE, { ...call, output_tokens: 9 }, 4).output_tokens).toBe(9);
  });

  it('counts no call that never began', () => {
    expect(addBrokenCall(NO_USAGE, undefined, 100)).toEqual(NO_USAGE);
  });
});
