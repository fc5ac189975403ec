import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../support/build.js';

interface Row {
  item: number;
  tests: { file: string; title: string }[];
}

/** The rows of the table of items, each with the tests that it names. */
function rows(): Row[] {
  const text = readFileSync(join(ROOT, 'docs', 'executor.md'), 'utf8');
  return [...text.matchAll(/^\| (\d+) \|.*\| ([^|]*) \|$/gm)].map(([, item, tests]) => ({
    item: Number(item),
    tests: tests!.split('<br>').map((test) => {
      const [, file = test, title = ''] = /^`([^`]+)` › (.+)$/.exec(test.trim()) ?? [];
      return { file, title };
    }),
  }));
}

/** Whether the file has a test of this title, in any of the quotes. */
function has(file: string, title: string): boolean {
  const path = join(ROOT, file);
  if (title === '' || !existsSync(path)) return false;
  const source = readFileSync(path, 'utf8');
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`));
}

describe('the table of the executor', () => {
  it('has all fifty items, in their order', () => {
    expect(rows().map(({ item }) => item)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('names tests that exist, one at least for each item', () => {
    const missing = rows().flatMap(({ item, tests }) =>
      tests.flatMap(({ file, title }) => (has(file, title) ? [] : [`${item}: ${file} › ${title}`])),
    );

    expect(missing).toEqual([]);
  });
});
