import { describe, expect, it } from '@jest/globals';
import { grantOf, shareOf } from './share.js';

describe('a share of a limit', () => {
  it('is a twentieth, and one of a small limit', () => {
    expect([1, 20, 39, 40, 600, 600_000].map(shareOf)).toEqual([1, 1, 1, 2, 30, 30_000]);
  });

  it('is granted whole while there is plenty, and by the quarter of the rest when there is not', () => {
    expect([600, 120, 119, 40, 5, 1, 0, -3].map((left) => grantOf(left, 1, 30))).toEqual([
      30, 30, 29, 10, 1, 1, 0, 0,
    ]);
  });

  it('is at least what is needed, or nothing', () => {
    expect(grantOf(100, 80, 30)).toBe(80);
    expect(grantOf(79, 80, 30)).toBe(0);
  });
});
