import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LogSweep } from './log-sweep.js';
import type { EndedRun } from './ended-run.repository.js';

describe('the sweep of old logs', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('goes piece by piece, each after the one before, and begins again later where it was', async () => {
    const asked: EndedRun[] = [];
    const sweep = new LogSweep(async (after) => {
      asked.push(after);
      return asked.length < 3 ? { id: `run_${asked.length}`, endedAt: asked.length } : undefined;
    }, fail);
    sweep.start();
    await jest.advanceTimersByTimeAsync(299_999);
    expect(asked).toEqual([]);
    for (let pieces = 0; pieces < 4; pieces += 1) await jest.advanceTimersToNextTimerAsync();
    expect(asked).toEqual([
      { id: '', endedAt: 0 },
      { id: 'run_1', endedAt: 1 },
      { id: 'run_2', endedAt: 2 },
      { id: 'run_2', endedAt: 2 },
    ]);
    sweep.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells of an error and tries again at the next sweep', async () => {
    const errors: unknown[] = [];
    const away = new Error('away');
    const sweep = new LogSweep(
      () => Promise.reject(away),
      (error) => errors.push(error),
    );
    sweep.start();
    await jest.advanceTimersByTimeAsync(1_200_000);
    sweep.stop();

    expect(errors.length).toBeGreaterThanOrEqual(2);
    expect(errors[0]).toBe(away);
  });

  it('does nothing more once it was stopped, also in the middle of a piece', async () => {
    const piece = Promise.withResolvers<EndedRun>();
    let pieces = 0;
    const sweep = new LogSweep(() => {
      pieces += 1;
      return piece.promise;
    }, fail);
    sweep.start();
    await jest.advanceTimersByTimeAsync(600_000);
    sweep.stop();
    piece.resolve({ id: 'run_1', endedAt: 1 });
    await jest.advanceTimersByTimeAsync(1_200_000);

    expect([pieces, jest.getTimerCount()]).toEqual([1, 0]);
  });
});

function fail(error: unknown): void {
  throw error;
}
