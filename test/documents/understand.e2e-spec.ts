import { expect, it } from '@jest/globals';
import { fileOf } from './pages/block-kind.js';
import { describePage } from './pages/describe-page.js';
import { blocksOfPage } from './pages/page-blocks.js';

describePage('understand', { blockMs: 150_000 });

it('the page for the curious shows every file of its laboratory', () => {
  const files = blocksOfPage('understand')
    .map(fileOf)
    .filter((path) => path !== undefined);
  expect(files).toEqual(['experiment.mjs', 'bank.mjs']);
});
