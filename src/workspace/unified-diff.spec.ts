import { describe, expect, it } from '@jest/globals';
import { applyPatch } from 'diff';
import { unifiedDiff } from './unified-diff.js';

describe('unifiedDiff', () => {
  it('shows what changed with three lines around it', async () => {
    const before = '1\n2\n3\n4\n5\n6\n7\n8\n';
    expect(await unifiedDiff('src/a.txt', before, before.replace('5', 'five'))).toBe(
      '--- a/src/a.txt\n+++ b/src/a.txt\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n',
    );
  });

  it('shows a new file and one that is gone', async () => {
    expect(await unifiedDiff('a.txt', null, 'one\ntwo')).toBe(
      '--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n',
    );
    expect(await unifiedDiff('a.txt', 'one\n', null)).toBe(
      '--- a/a.txt\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-one\n',
    );
    expect(await unifiedDiff('a.txt', null, '')).toBe('--- /dev/null\n+++ b/a.txt\n');
  });

  it.each([
    ['a line end at the end', 'one', 'one\n'],
    ['line ends', 'one\r\ntwo\r\n', 'one\ntwo\n'],
    ['a text from nothing', '', 'one\ntwo\n'],
    ['a text to nothing', 'one\ntwo', ''],
    ['every line of a long text', 'a\n'.repeat(20_000), 'b\n'.repeat(20_000)],
  ])('is a patch that leads from one to the other: %s', async (_what, before, after) => {
    const options = { autoConvertLineEndings: false };
    expect(applyPatch(before, await unifiedDiff('a.txt', before, after), options)).toBe(after);
  });
});
