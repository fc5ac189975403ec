import { describe, expect, it } from '@jest/globals';
import type { LogPage } from './event-log.js';
import { joinPages, lastSeq, pageAfter, pageSize } from './log-page.js';
import { placeEvents } from './placed-event.js';

const page: LogPage = {
  runId: 'run_1',
  attempt: 2,
  firstSeq: 5,
  entries: [
    { type: 'token', data: '{"text":"a"}' },
    { type: 'token', data: '{"text":"😀"}' },
    { type: 'done', data: '{"status":"completed"}' },
  ],
};

describe('a page of the log', () => {
  it('knows its last event, and its size', () => {
    expect(lastSeq(page)).toBe(7);
    expect(pageSize(page)).toBe(12 + 13 + 22);
    expect(pageSize({ ...page, entries: [] })).toBe(0);
  });

  it('is one with those that follow it in the same attempt, up to a size', () => {
    const next = { ...page, firstSeq: 8, entries: page.entries.slice(0, 1) };
    expect(joinPages([page, next], 59)).toEqual({ ...page, entries: [...page.entries, ...next.entries] });
    expect(joinPages([page, next], 58)).toBeUndefined();
    expect(joinPages([page, { ...next, attempt: 3 }], 59)).toBeUndefined();
    expect(joinPages([], 59)).toBeUndefined();
  });

  it.each([
    [0, 5, 3],
    [4, 5, 3],
    [5, 6, 2],
    [6, 7, 1],
    [7, 8, 0],
  ])('is, after %d, what begins at %d with %d events', (after, firstSeq, count) => {
    const rest = pageAfter(page, after);
    expect([rest.runId, rest.attempt, rest.firstSeq, rest.entries.length]).toEqual([
      'run_1',
      2,
      firstSeq,
      count,
    ]);
    expect(rest.entries).toEqual(page.entries.slice(3 - count));
  });

  it('stays the same object when all of it follows, so its frames are made once', () => {
    expect(pageAfter(page, 4)).toBe(page);
  });
});

describe('the events of pages', () => {
  it('come one by one, each with its place and its data as an object', () => {
    const next = { ...page, attempt: 3, firstSeq: 8, entries: page.entries.slice(0, 1) };
    expect([...placeEvents([page, next])]).toEqual([
      { type: 'token', data: { text: 'a' }, id: 'run_1.2.5', run_id: 'run_1', attempt: 2, seq: 5 },
      { type: 'token', data: { text: '😀' }, id: 'run_1.2.6', run_id: 'run_1', attempt: 2, seq: 6 },
      { type: 'done', data: { status: 'completed' }, id: 'run_1.2.7', run_id: 'run_1', attempt: 2, seq: 7 },
      { type: 'token', data: { text: 'a' }, id: 'run_1.3.8', run_id: 'run_1', attempt: 3, seq: 8 },
    ]);
    expect([...placeEvents([])]).toEqual([]);
  });
});
