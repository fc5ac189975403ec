import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { type SearchOptions, TextSearch, type TextMatch } from './text-search.js';
import { WorkTime } from './work-time.js';

const SIGNAL = new AbortController().signal;

async function search(
  text: string,
  pattern: string,
  options: Partial<SearchOptions> = {},
  time = new WorkTime(SIGNAL, 60_000),
): Promise<TextMatch[]> {
  const found = new TextSearch({ pattern, ignoreCase: false, multiline: false, ...options });
  const matches: TextMatch[] = [];
  for await (const match of found.matches(text, time)) matches.push(match);
  return matches;
}

describe('TextSearch', () => {
  it.each<[string, string, string, Partial<SearchOptions>, TextMatch[]]>([
    [
      'lines',
      'one\ntwo\nthree two',
      'two',
      {},
      [
        { line: 2, text: 'two' },
        { line: 3, text: 'three two' },
      ],
    ],
    ['a line once', 'aaa', 'a', {}, [{ line: 1, text: 'aaa' }]],
    ['the last line without an end', 'a\nb', 'b$', {}, [{ line: 2, text: 'b' }]],
    ['each line by its ends', 'ab\nb', '^b', {}, [{ line: 2, text: 'b' }]],
    ['any case', 'Ärger', 'ärger', { ignoreCase: true }, [{ line: 1, text: 'Ärger' }]],
    ['nothing over lines', 'a\nb', 'a.b', {}, []],
    ['over lines', 'x\na\nb\ny', 'a.b', { multiline: true }, [{ line: 2, text: 'a\nb' }]],
    [
      'over lines, each place',
      'a\nb\n\na\nb',
      'a\\nb',
      { multiline: true },
      [
        { line: 1, text: 'a\nb' },
        { line: 4, text: 'a\nb' },
      ],
    ],
    ['ends of lines within a text', 'a\nb', '^b$', { multiline: true }, [{ line: 2, text: 'b' }]],
    ['empty lines', 'a\n\nb', '^$', {}, [{ line: 2, text: '' }]],
    [
      'empty lines over lines',
      '\n\n',
      '^$',
      { multiline: true },
      [
        { line: 1, text: '' },
        { line: 2, text: '' },
      ],
    ],
    ['an empty text', '', 'x', { multiline: true }, []],
  ])('finds %s', async (_what, text, pattern, options, matches) => {
    expect(await search(text, pattern, options)).toEqual(matches);
  });

  it('shows of a long line what is around the match', async () => {
    const [match] = await search(`${'x'.repeat(30_000)}needle${'y'.repeat(30_000)}`, 'needle');
    expect(match?.text).toMatch(/^…x{100}needley{394}…$/);
  });

  it('finds what lies across two pieces of a long line', async () => {
    for (let at = 19_990; at < 20_010; at += 1) {
      expect(await search(`${'x'.repeat(at)}needle${'y'.repeat(50_000)}`, 'needle')).toHaveLength(1);
    }
  });

  it.each([
    ['a back reference', '(a)\\1'],
    ['a look-ahead', 'a(?=b)'],
    ['no pattern', '(a'],
    ['too many repetitions', '(a{1,1000}){1,1000}'],
    ['a large program', '(.{1,200}){3}'],
    ['a long pattern', 'a'.repeat(1001)],
  ])('refuses %s', (_what, pattern) => {
    expect(() => new TextSearch({ pattern, ignoreCase: false, multiline: false })).toThrow(/pattern/i);
  });

  it('ends when the time is up', async () => {
    expect(await search('a\nb', 'a|b', {}, new WorkTime(SIGNAL, 0))).toEqual([]);
  });

  it('ends when it is aborted', async () => {
    const stop = new AbortController();
    void setImmediate().then(() => stop.abort(new Error('stopped')));
    const endless = search('a'.repeat(2_000_000), '[ab]*[ac]*[cd]+$', {}, new WorkTime(stop.signal, 60_000));
    await expect(endless).rejects.toThrow('stopped');
  });

  it.each([
    ['(a|aa)+[b-c]', true],
    ['(a*)*[b-c]', false],
    ['\\w{1,200}[b-c]', false],
    ['(\\w|\\s|.){1,100}[b-c]', true],
    ['([a-c]?){60}[a]{60}[d-e]', false],
  ])('lets others have their turn however bad the pattern %p is', async (pattern, multiline) => {
    await search('warm', pattern, { multiline });
    const work = { isOver: false };
    const turns = turnsOf(work);
    await search(`${'a'.repeat(100_000)}!\n`, pattern, { multiline }, new WorkTime(SIGNAL, 1_000));
    work.isOver = true;
    const waits = (await turns).toSorted((a, b) => a - b);
    // About 10 ms; the collection of garbage counts too.
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(40);
  });
});

/** What each turn of somebody else had to wait for, in milliseconds of this process's CPU. */
async function turnsOf(work: { isOver: boolean }): Promise<number[]> {
  const waits: number[] = [];
  while (!work.isOver) {
    const before = process.cpuUsage();
    await setImmediate();
    const { user, system } = process.cpuUsage(before);
    waits.push((user + system) / 1000);
  }
  return waits;
}
