import { describe, expect, it } from '@jest/globals';
import { isDeeperThan, isRecord } from './json.js';

const nested = (levels: number): unknown =>
  JSON.parse('[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2));

describe('JSON of a model', () => {
  it('counts levels of lists and objects', () => {
    expect([isDeeperThan(1, 0), isDeeperThan([], 0), isDeeperThan([], 1)]).toEqual([false, true, false]);
    expect([isDeeperThan(nested(10), 9), isDeeperThan(nested(10), 10)]).toEqual([true, false]);
  });

  it('is measured without a stack, however deep it is', () => {
    expect(isDeeperThan(nested(5_000), 200)).toBe(true);
  });

  it('is a record when it is an object', () => {
    expect([isRecord({}), isRecord([]), isRecord(null), isRecord('a')]).toEqual([true, false, false, false]);
  });
});
