import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { describePage } from './pages/describe-page.js';
import { pageText } from './pages/page-blocks.js';
import { ROOT } from '../support/build.js';

describePage('try-it', { isHasty: true });

interface Step {
  kind: 'command' | 'edit';
}

it('the path of a newcomer has as many commands and edits as its table says', async () => {
  const { stepsOf } = (await import(join(ROOT, 'scripts/newcomer/page-steps.mjs'))) as {
    stepsOf: (page: string, heading: string) => Step[];
  };
  const page = pageText('try-it');
  const count = { command: 0, edit: 0 };
  const counted = ['Get it', 'The first token', 'A tool of your own'].map((heading) => {
    for (const { kind } of stepsOf(page, heading)) count[kind] += 1;
    return [String(count.command), String(count.edit)];
  });
  const said = [...page.matchAll(/^\| [a-z ]+ \| \d+ \| (\d+) \| (\d+) \|$/gm)].map(([, ...cells]) => cells);
  expect(said).toEqual(counted);
});
