import { expect, it } from '@jest/globals';
import { TailRegistry } from './tail-registry.js';

it('all who watch a run share its tail, and it is gone with the last of them', () => {
  const tails = new TailRegistry();
  const one = tails.acquire('run_1');
  expect(tails.acquire('run_1')).toBe(one);
  expect(tails.acquire('run_2')).not.toBe(one);
  expect([tails.find('run_1') === one, tails.find('run_3'), tails.count]).toEqual([true, undefined, 2]);

  tails.release('run_1');
  expect(tails.find('run_1')).toBe(one);
  tails.release('run_1');
  tails.release('run_2');
  tails.release('run_3');

  expect([tails.find('run_1'), tails.count]).toEqual([undefined, 0]);
  expect(tails.acquire('run_1')).not.toBe(one);
});
