import { beforeEach, describe, expect, it } from '@jest/globals';
import { FairQueue } from './fair-queue.js';

describe('A fair queue', () => {
  let queue: FairQueue;
  let order: string[];
  let done: Promise<void>[];
  beforeEach(() => {
    queue = new FairQueue(2);
    order = [];
    done = [];
  });

  /** Asks so many times at once; tells how many of them were taken. */
  const ask = (count: number, ownerOf: (n: number) => string): number => {
    let taken = 0;
    for (let n = 0; n < count; n += 1) {
      const owner = ownerOf(n);
      const asked = queue.add(owner, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        order.push(owner);
      });
      if (asked === undefined) continue;
      done.push(asked);
      taken += 1;
    }
    return taken;
  };

  it('takes 66 of one owner at once, two of which do not wait, and as many again when these are done', async () => {
    for (let round = 0; round < 2; round += 1) {
      expect(ask(67, () => 'ann')).toBe(66);
      await Promise.all(done);
    }
    expect(order).toHaveLength(132);
  });

  it('lets nobody wait for one who asks all the time', async () => {
    ask(66, () => 'mallory');
    ask(20, (n) => `user ${n}`);
    await Promise.all(done);

    const last = order.findLastIndex((owner) => owner !== 'mallory');
    expect(order.slice(0, last).filter((owner) => owner === 'mallory').length).toBeLessThanOrEqual(4);
    expect(order).toHaveLength(86);
  });

  it('takes 64 owners at once, whatever another has waiting', async () => {
    ask(100, () => 'mallory');
    expect(ask(64, (n) => `user ${n}`)).toBe(64);
    await Promise.all(done);
  });

  it('takes 8 of an owner where many wait, and 256 in all', async () => {
    expect(ask(130, (n) => `user ${n}`)).toBe(130);
    expect(ask(9, () => 'ann')).toBe(8);
    expect(ask(200, (n) => `another ${n}`)).toBe(120);
    await Promise.all(done);
    expect(ask(66, () => 'ann')).toBe(66);
    await Promise.all(done);
  });
});
