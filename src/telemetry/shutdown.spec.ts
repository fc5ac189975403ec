import { describe, expect, it, jest } from '@jest/globals';
import { Shutdown } from './shutdown.js';

const told = (count: number, after: number): number => {
  const shutdown = new Shutdown();
  let left = 0;
  for (let n = 0; n < count; n += 1) shutdown.stay(() => (left += 1));
  shutdown.begin();
  jest.advanceTimersByTime(after);
  return left;
};

describe('shutdown', () => {
  it('tells who listens exactly once, however often it is begun', () => {
    const shutdown = new Shutdown();
    const seen: boolean[] = [];
    shutdown.signal.addEventListener('abort', () => seen.push(shutdown.begun));
    expect(shutdown.begun).toBe(false);
    shutdown.begin();
    shutdown.begin();
    expect(seen).toEqual([true]);
  });

  it('lets connections leave one after the other, the more of them the longer it takes, but five seconds at most', () => {
    jest.useFakeTimers();
    expect(told(2, 10)).toBe(2);
    expect(told(400, 0)).toBeLessThan(10);
    expect(told(400, 1_000)).toBeGreaterThan(100);
    expect(told(400, 1_000)).toBeLessThan(300);
    expect(told(400, 2_000)).toBe(400);
    expect(told(10_000, 5_000)).toBe(10_000);
    jest.useRealTimers();
  });

  it('tells no connection that has ended by itself, and at once the one that comes late', async () => {
    const shutdown = new Shutdown();
    const left: string[] = [];
    const ended = shutdown.stay(() => left.push('ended'));
    shutdown.stay(() => left.push('open'));
    ended();
    shutdown.begin();
    shutdown.stay(() => left.push('late'));
    await shutdown.farewell;
    expect(left).toEqual(['late', 'open']);
  });
});
