import { describe, expect, it } from '@jest/globals';
import { idOf, isAfter, pagesOf, readEntry, runOf, streamKey } from './stream-entry.js';

describe('an entry of a stream', () => {
  it('is a page, a fence, or the mark of a removed run', () => {
    expect(readEntry('run_1', ['2-7', ['f', '6', 'e', 'token\t{"text":"a"}\ndone\t{}']])).toEqual({
      kind: 'page',
      page: {
        runId: 'run_1',
        attempt: 2,
        firstSeq: 6,
        entries: [
          { type: 'token', data: '{"text":"a"}' },
          { type: 'done', data: '{}' },
        ],
      },
    });
    expect(readEntry('run_1', ['3-0', ['s', '7', 'a', '2']])).toEqual({
      kind: 'fence',
      end: { seq: 7, attempt: 2 },
    });
    expect(readEntry('run_1', ['1-0', ['s', '0', 'a', '0']])).toEqual({
      kind: 'fence',
      end: { seq: 0, attempt: undefined },
    });
    expect(readEntry('run_1', ['9007199254740991-1', ['removed', '1']])).toEqual({ kind: 'removed' });
  });

  it('has an id that names the place after it, in the order of attempts and then of events', () => {
    expect(idOf({ seq: 0 })).toBe('0-0');
    expect(idOf({ seq: 12, attempt: 3 })).toBe('3-12');
    expect(isAfter('2-0', '1-99')).toBe(true);
    expect(isAfter('1-10', '1-9')).toBe(true);
    expect(isAfter('1-9', '1-9')).toBe(false);
    expect(isAfter('1-9', '2-0')).toBe(false);
  });

  it('comes from a script as three texts', () => {
    expect(pagesOf('run_1', ['1-1', '1', 'token\t{}', '2-3', '2', 'token\t{}\ntoken\t{}'])).toMatchObject([
      { runId: 'run_1', attempt: 1, firstSeq: 1, entries: [{ type: 'token' }] },
      { attempt: 2, firstSeq: 2, entries: [{ type: 'token' }, { type: 'token' }] },
    ]);
    expect(pagesOf('run_1', [])).toEqual([]);
  });

  it('stands in the stream of its run', () => {
    expect(streamKey('run_1')).toBe('agentline:run:run_1');
    expect(runOf('agentline:run:run_1')).toBe('run_1');
  });
});
