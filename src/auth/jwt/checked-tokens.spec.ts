import { describe, expect, it } from '@jest/globals';
import { CheckedTokens } from './checked-tokens.js';

describe('tokens that were checked', () => {
  it('are known to the letter', () => {
    const checked = new CheckedTokens<string>();
    checked.add('a.b.c', 'said');

    expect(checked.find('a.b.c')).toBe('said');
    expect(checked.find('a.b.C')).toBeUndefined();
  });

  it('are 10,000 at most: the oldest are forgotten', () => {
    const checked = new CheckedTokens<number>();
    for (let n = 0; n <= 10_000; n += 1) checked.add(`token ${n}`, n);

    expect(checked.find('token 0')).toBeUndefined();
    expect(checked.find('token 1')).toBe(1);
    expect(checked.find('token 10000')).toBe(10_000);
  });
});
