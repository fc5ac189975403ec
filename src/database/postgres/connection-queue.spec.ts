import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ConnectionQueue } from './connection-queue.js';

let told: string[];

beforeEach(() => {
  jest.useFakeTimers();
  told = [];
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

/** A queue of one connection that is taken, and who waits for it. */
async function busy(...names: string[]): Promise<ConnectionQueue> {
  const queue = new ConnectionQueue(1, { awayMs: 2_000, busyMs: 15_000 });
  await queue.enter();
  for (const name of names) {
    queue.enter().then(
      () => told.push(name),
      (error: unknown) => told.push(`${name}: ${String(error)}`),
    );
  }
  return queue;
}

describe('who waits for a connection', () => {
  it('is let in when one is free again, in the order in which they came', async () => {
    const queue = await busy('first', 'second');
    queue.leave();
    await jest.advanceTimersByTimeAsync(0);
    expect(told).toEqual(['first']);
    queue.leave();
    await jest.advanceTimersByTimeAsync(0);
    expect(told).toEqual(['first', 'second']);
  });

  it('is told that the database is away when it has answered nobody for two seconds', async () => {
    await busy('one');
    await jest.advanceTimersByTimeAsync(1_999);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['one: AppError: The database cannot be reached at the moment: try again.']);
  });

  it('waits on while it answers others, and is told two seconds after its last answer', async () => {
    const queue = await busy('one');
    for (let second = 0; second < 5; second += 1) {
      await jest.advanceTimersByTimeAsync(1_000);
      queue.answered();
    }
    await jest.advanceTimersByTimeAsync(1_999);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['one: AppError: The database cannot be reached at the moment: try again.']);
  });

  it('does not wait for ever for one that answers others only', async () => {
    const queue = await busy('one');
    for (let second = 0; second < 14; second += 1) {
      await jest.advanceTimersByTimeAsync(1_000);
      queue.answered();
    }
    await jest.advanceTimersByTimeAsync(999);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(told).toEqual([
      'one: AppError: The database has more to do than it can at the moment: try again.',
    ]);
  });

  it('takes no place any more after that', async () => {
    const queue = await busy('one');
    await jest.advanceTimersByTimeAsync(2_000);
    queue.leave();
    await queue.enter();
    expect(told).toHaveLength(1);
  });
});
