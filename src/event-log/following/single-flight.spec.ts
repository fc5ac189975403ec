import { describe, expect, it } from '@jest/globals';
import { SingleFlight } from './single-flight.js';

/** Questions that are answered in the order in which they were asked, with their number, when the test says so. */
function questions() {
  const asked: PromiseWithResolvers<number>[] = [];
  const ask = () => {
    const question = Promise.withResolvers<number>();
    asked.push(question);
    return question.promise;
  };
  return { asked, ask, answer: (index: number) => asked[index]!.resolve(index) };
}

describe('a single flight', () => {
  it('shares the question that is under way, and asks again afterwards', async () => {
    const flight = new SingleFlight<number>();
    const { asked, ask, answer } = questions();
    const both = [flight.join('a', ask), flight.join('a', ask)];
    answer(0);
    expect(await Promise.all(both)).toEqual([0, 0]);
    const other = flight.join('a', ask);
    answer(1);
    expect([await other, asked.length]).toEqual([1, 2]);
  });

  it('gives whoever wants a fresh answer one that was asked for after the call', async () => {
    const flight = new SingleFlight<number>();
    const { asked, ask, answer } = questions();
    const first = flight.fresh('a', ask);
    const later = Array.from({ length: 100 }, () => flight.fresh('a', ask));
    expect(asked).toHaveLength(1);
    answer(0);
    expect(await first).toBe(0);
    while (asked.length < 2) await new Promise(setImmediate);
    const last = flight.fresh('a', ask);
    answer(1);
    expect(new Set(await Promise.all(later))).toEqual(new Set([1]));
    while (asked.length < 3) await new Promise(setImmediate);
    answer(2);
    expect(await last).toBe(2);
  });

  it('does not keep an error for the next', async () => {
    const flight = new SingleFlight<number>();
    const failed = flight.fresh('a', () => Promise.reject(new Error('away')));
    const next = flight.fresh('a', async () => 1);
    await expect(failed).rejects.toThrow('away');
    expect(await next).toBe(1);
    expect(await flight.join('b', async () => 2)).toBe(2);
  });
});
