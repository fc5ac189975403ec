import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { ROOT } from '../support/build.js';
import { exists, testsIn } from './named-tests.js';

/** Items that nothing in this tree can show: they are somebody else's, or there is no such thing here. */
const SHOWN_ELSEWHERE = 14;

it('the page on security names tests that exist', () => {
  const text = readFileSync(join(ROOT, 'docs', 'security.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (\d+\.[^|]*) \|[^|]*\| ?([^|]*) ?\|$/gm)];
  const missing = rows.flatMap(([, item, tests]) =>
    tests === ''
      ? []
      : testsIn(tests!.trim()).flatMap((test) =>
          exists(test) ? [] : [`${item}: ${test.file} › ${test.title}`],
        ),
  );

  expect(missing).toEqual([]);
  expect(rows.filter(([, , tests]) => tests === '')).toHaveLength(SHOWN_ELSEWHERE);
});
