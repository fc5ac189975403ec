import { describe, expect, it } from '@jest/globals';
import { MessageLimits } from './message-limits.js';

function limitsAt(start: number) {
  const clock = { now: start };
  const limits = new MessageLimits(() => clock.now);
  const send = (count: number) => Array.from({ length: count }, () => limits.countMessage());
  return { clock, limits, send };
}

describe('the messages of a socket', () => {
  it.each([0, 5_000_000])('are allowed a hundred times in ten seconds (clock at %d)', (start) => {
    const { clock, send } = limitsAt(start);
    expect(send(100)).not.toContain(false);
    clock.now += 9_999;
    expect(send(1)).toEqual([false]);
  });

  it('are allowed again as the earlier ones get old', () => {
    const { clock, send } = limitsAt(0);
    for (let second = 0; second < 60; second += 1) {
      expect(send(10)).not.toContain(false);
      clock.now += 1_000;
    }
  });

  it('are counted over any ten seconds, not from fixed times on', () => {
    const { clock, send } = limitsAt(0);
    clock.now = 9_900;
    expect(send(100)).not.toContain(false);
    clock.now = 10_100;
    expect(send(1)).toEqual([false]);
  });

  it('stay refused while too many keep coming', () => {
    const { clock, send } = limitsAt(0);
    send(100);
    clock.now = 5_000;
    expect(send(100)).not.toContain(true);
    clock.now = 10_001;
    expect(send(1)).toEqual([false]);
  });
});

it('the twentieth message that makes no sense is one too many', () => {
  const { limits } = limitsAt(0);
  const counted = Array.from({ length: 21 }, () => limits.countMalformed());
  expect(counted.indexOf(false)).toBe(19);
  expect(counted[20]).toBe(false);
});
