import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../support/build.js';
import { exists, type NamedTest, testsIn } from './named-tests.js';

/** The rows of the table of items, each with the tests that it names. */
function rows(): { item: number; tests: NamedTest[] }[] {
  const text = readFileSync(join(ROOT, 'docs', 'executor.md'), 'utf8');
  return [...text.matchAll(/^\| (\d+) \|.*\| ([^|]*) \|$/gm)].map(([, item, tests]) => ({
    item: Number(item),
    tests: testsIn(tests!),
  }));
}

describe('the table of the executor', () => {
  it('has all fifty items, in their order', () => {
    expect(rows().map(({ item }) => item)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  it('names tests that exist, one at least for each item', () => {
    const missing = rows().flatMap(({ item, tests }) =>
      tests.flatMap((test) => (exists(test) ? [] : [`${item}: ${test.file} › ${test.title}`])),
    );

    expect(missing).toEqual([]);
  });
});
