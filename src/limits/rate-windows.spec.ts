import { beforeEach, describe, expect, it } from '@jest/globals';
import { RateWindows, type SharedWindows, type WindowAsk } from './rate-windows.js';
import { grantOf } from './share.js';

const MINUTE = 60_000;
let now = 0;
const clock = () => now;

beforeEach(() => {
  now = 0;
});

/** The counter of all nodes, in memory; it can be away, and it notes who asked for what. */
class FakeCounter implements SharedWindows {
  readonly asks: WindowAsk[] = [];
  isAway = false;
  /** Windows so far. */
  windows = 0;
  private used = 0;
  private endsAt = 0;

  async take(ask: WindowAsk) {
    this.asks.push(ask);
    if (this.isAway) throw new Error('away');
    if (this.endsAt <= now) {
      [this.used, this.endsAt] = [0, now + ask.windowMs];
      this.windows += 1;
    }
    const granted = grantOf(ask.limit - this.used, ask.need, ask.share);
    this.used += granted;
    return { granted, left: ask.limit - this.used, endsInMs: this.endsAt - now };
  }
}

const allowed = async (windows: RateWindows, limit: number, times: number, amount = 1) => {
  let count = 0;
  for (let n = 0; n < times; n += 1) if ((await windows.take('a', limit, amount)).isAllowed) count += 1;
  return count;
};

describe('a window of one process', () => {
  it('allows so much a minute, says when it is over, and begins anew', async () => {
    const windows = new RateWindows(MINUTE, clock);
    expect(windows.take('a', 3, 1)).toEqual({ isAllowed: true, left: 2, resetsInMs: MINUTE });
    now = 20_000;
    expect(await allowed(windows, 3, 5)).toBe(2);
    expect(windows.take('a', 3, 1)).toEqual({ isAllowed: false, left: 0, resetsInMs: 40_000 });
    now = MINUTE;
    expect(await allowed(windows, 3, 5)).toBe(3);
  });

  it('counts each name by itself, and what is given back', async () => {
    const windows = new RateWindows(MINUTE, clock);
    expect(windows.take('a', 1, 1)).toMatchObject({ isAllowed: true });
    expect(windows.take('b', 1, 1)).toMatchObject({ isAllowed: true });
    windows.giveBack('a', 1);
    expect(await allowed(windows, 1, 3)).toBe(1);
  });

  it('takes a large amount whole or not at all', () => {
    const windows = new RateWindows(MINUTE, clock);
    expect(windows.take('a', 100, 101)).toMatchObject({ isAllowed: false, left: 100 });
    expect(windows.take('a', 100, 60)).toMatchObject({ isAllowed: true });
    expect(windows.take('a', 100, 60)).toMatchObject({ isAllowed: false, left: 40 });
    expect(windows.take('a', 100, 40)).toMatchObject({ isAllowed: true });
  });

  it('forgets names whose window is over', () => {
    const windows = new RateWindows(MINUTE, clock);
    for (let n = 0; n < 5_000; n += 1) {
      now += 100;
      void windows.take(`user ${n}`, 10, 1);
    }
    expect(windows.size).toBeLessThan(2_700);
  });
});

describe('a window that nodes share', () => {
  it('is handed out from few questions', async () => {
    const counter = new FakeCounter();
    const windows = new RateWindows(MINUTE, clock, counter);

    expect(await allowed(windows, 600, 1_000)).toBe(600);
    expect(counter.asks.length).toBeLessThan(40);
  });

  it('is exact for a small limit, whoever asks', async () => {
    const counter = new FakeCounter();
    const [one, other] = [0, 1].map(() => new RateWindows(MINUTE, clock, counter));
    const all = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => (n % 2 ? one : other)!.take('a', 11, 1)),
    );

    expect(all.filter(({ isAllowed }) => isAllowed)).toHaveLength(11);
  });

  it('asks once for all who wait, and not again when nothing is left', async () => {
    const counter = new FakeCounter();
    const windows = new RateWindows(MINUTE, clock, counter);
    await Promise.all(Array.from({ length: 30 }, async () => windows.take('a', 600, 1)));
    expect(counter.asks).toEqual([{ scope: 'a', limit: 600, windowMs: MINUTE, need: 1, share: 30 }]);

    await allowed(windows, 600, 600);
    const { length } = counter.asks;
    await allowed(windows, 600, 100);
    expect(counter.asks).toHaveLength(length);
  });

  it('ends for a node no later than for the counter', async () => {
    const counter = new FakeCounter();
    const [early, late] = [0, 1].map(() => new RateWindows(MINUTE, clock, counter));
    await early!.take('a', 100, 1);
    now = 59_000;
    expect(await late!.take('a', 100, 1)).toEqual({ isAllowed: true, left: 94, resetsInMs: 1_000 });
    now = 60_000;
    expect(await late!.take('a', 100, 1)).toMatchObject({ isAllowed: true, left: 99, resetsInMs: MINUTE });
  });

  it('goes on with the whole limit for each node while the counter is away, and says so', async () => {
    const told: unknown[] = [];
    const counter = new FakeCounter();
    const windows = new RateWindows(MINUTE, clock, counter, (error) => told.push(error));
    counter.isAway = true;

    expect(await allowed(windows, 100, 200)).toBe(100);
    expect(told[0]).toEqual(new Error('away'));
  });

  it('is never handed out beyond its limit by several nodes together, however they interleave', async () => {
    const counter = new FakeCounter();
    const nodes = Array.from({ length: 4 }, () => new RateWindows(MINUTE, clock, counter));
    let seed = 7;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const perWindow: number[] = [];

    for (let n = 0; n < 20_000; n += 1) {
      now += random() * 20;
      const amount = 1 + Math.floor(random() * 3);
      const burst = nodes.filter(() => random() < 0.6).map(async (node) => node.take('a', 500, amount));
      const taken = (await Promise.all(burst)).filter(({ isAllowed }) => isAllowed).length * amount;
      perWindow[counter.windows] = (perWindow[counter.windows] ?? 0) + taken;
    }
    const whole = perWindow.slice(1, -1);
    expect(whole.length).toBeGreaterThan(1);
    expect(Math.max(...perWindow.slice(1))).toBeLessThanOrEqual(500);
    expect(Math.min(...whole)).toBeGreaterThan(450);
  });
});
