import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Run } from '../../runs/run.js';
import { Viewers } from './viewers.js';

const RUN = { id: 'run_1' } as Run;
const OTHER = { id: 'run_2' } as Run;

let left: string[];
let viewers: Viewers;

beforeEach(() => {
  jest.useFakeTimers();
  left = [];
  viewers = new Viewers((run) => left.push(run.id));
});

afterEach(() => {
  jest.useRealTimers();
});

describe('a run that ends when nobody watches', () => {
  it('counts as left ten seconds after its last viewer has gone, once', () => {
    viewers.enter(RUN);
    viewers.enter(RUN);
    viewers.leave(RUN);
    jest.advanceTimersByTime(60_000);
    expect(left).toEqual([]);

    viewers.leave(RUN);
    jest.advanceTimersByTime(9_999);
    expect(left).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(left).toEqual(['run_1']);
    jest.advanceTimersByTime(60_000);
    expect(left).toEqual(['run_1']);
  });

  it('goes on when a viewer comes back within that time, and the time begins anew when that one goes', () => {
    viewers.enter(RUN);
    viewers.leave(RUN);
    jest.advanceTimersByTime(9_000);
    viewers.enter(RUN);
    jest.advanceTimersByTime(60_000);
    viewers.leave(RUN);
    jest.advanceTimersByTime(9_999);
    expect(left).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(left).toEqual(['run_1']);
  });

  it('counts for itself', () => {
    viewers.enter(RUN);
    viewers.enter(OTHER);
    viewers.leave(OTHER);
    jest.advanceTimersByTime(10_000);
    expect(left).toEqual(['run_2']);
  });

  it('that nobody has ever watched counts as left ten seconds after it was expected to be', () => {
    viewers.expect(RUN);
    jest.advanceTimersByTime(9_999);
    expect(left).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(left).toEqual(['run_1']);
  });

  it('that is expected to be watched, and is, goes on', () => {
    viewers.expect(RUN);
    viewers.enter(RUN);
    jest.advanceTimersByTime(60_000);
    expect(left).toEqual([]);
  });

  it('that is watched already is not expected to be', () => {
    viewers.enter(RUN);
    viewers.expect(RUN);
    jest.advanceTimersByTime(60_000);
    expect(left).toEqual([]);
    viewers.leave(RUN);
    viewers.expect(RUN);
    jest.advanceTimersByTime(10_000);
    expect(left).toEqual(['run_1']);
  });
});
