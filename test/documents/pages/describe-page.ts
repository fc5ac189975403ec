import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { browserBlocks, isShown, kindOf } from './block-kind.js';
import { blocksOfPage, type PageBlock, type PageName } from './page-blocks.js';
import { PageRunner, type PageOptions } from './page-runner.js';

/** Run elsewhere: `npm run newcomer`, and `test/browser/documents.e2e-spec.ts`, which counts its blocks. */
const ELSEWHERE = new Set(['diagram', 'set-up']);
/**
 * A page of `docs/`: every block of code in it is a test of its own, in their order, as a reader would do it. After a
 * failure the rest is left out, since it builds on what is missing.
 */
export function describePage(page: PageName, options: PageOptions = {}): void {
  const all = blocksOfPage(page);
  const inBrowser = new Set(browserBlocks(all));
  const isOwn = (block: PageBlock) => block.language in (options.runners ?? {});
  const blocks = all.filter(
    (block) => isOwn(block) || !(ELSEWHERE.has(kindOf(block)) || inBrowser.has(block)),
  );

  describe(`docs/${page}.md`, () => {
    let runner: PageRunner;
    let failed: PageBlock | undefined;

    beforeAll(async () => {
      runner = await PageRunner.open(blocks, options);
    });

    afterAll(async () => {
      await runner?.close();
    });

    it.each(blocks.map((block) => ({ title: titleOf(block), block })))(
      '$title',
      async ({ block }) => {
        if (failed !== undefined) throw notTried(failed);
        if (!isShown(block)) failed = block;
        await runner.run(block);
        failed = undefined;
      },
      (options.blockMs ?? 120_000) + 30_000,
    );

    it('has code that is run', () => {
      expect(blocks.length).toBeGreaterThan(0);
    });
  });
}

function titleOf({ heading, language, line, text }: PageBlock): string {
  const [first = ''] = text.trim().split('\n');
  return `${heading} › line ${line}, ${language}: ${first.slice(0, 60)}`;
}

function notTried({ line }: PageBlock): Error {
  const error = new Error(`not tried: the block of line ${line} has failed`);
  delete error.stack;
  return error;
}
