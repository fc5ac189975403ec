import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Run } from '../../runs/run.js';
import { Viewers } from './viewers.js';

const RUN = { id: 'run_1' } as Run;
const OTHER = { id: 'run_2' } as Run;

let said: string[];
let viewers: Viewers;

beforeEach(() => {
  jest.useFakeTimers();
  said = [];
  viewers = new Viewers((ids) => said.push(ids.join(' ')));
});

afterEach(() => {
  jest.useRealTimers();
});

/** What is said from now on, in so many milliseconds. */
function saidIn(milliseconds: number): string[] {
  said.length = 0;
  jest.advanceTimersByTime(milliseconds);
  return said;
}

describe('a run that ends when nobody watches', () => {
  it('is said to be watched when a viewer comes, again and again, and a last time when the last has gone', () => {
    viewers.enter(RUN);
    viewers.enter(RUN);
    expect(saidIn(9_000)).toEqual(['run_1', 'run_1', 'run_1']);

    viewers.leave(RUN);
    expect(saidIn(3_000)).toEqual(['run_1']);
    said.length = 0;
    viewers.leave(RUN);
    expect(said).toEqual(['run_1']);
    expect(saidIn(60_000)).toEqual([]);
  });

  it('is said together with the others', () => {
    viewers.enter(RUN);
    viewers.enter(OTHER);
    expect(saidIn(3_000)).toEqual(['run_1 run_2']);
    viewers.leave(RUN);
    expect(saidIn(3_000)).toEqual(['run_2']);
  });
});
