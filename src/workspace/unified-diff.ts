import { FILE_HEADERS_ONLY, formatPatch, structuredPatch, type StructuredPatch } from 'diff';

/** Beyond this a difference is shown as all lines removed and all added: finding the shortest takes too long. */
const LIMITS = { timeout: 2_000, maxEditLength: 5_000 };
const NO_LINE_END = '\\ No newline at end of file';

/**
 * The difference of two texts of one file as a unified diff that `patch` and `git apply` take; null: no file.
 * Others have their turn while it is made.
 */
export async function unifiedDiff(
  path: string,
  before: string | null,
  after: string | null,
): Promise<string> {
  const patch = before === null || after === null ? undefined : await shortestPatch(path, before, after);
  return formatPatch(patch ?? wholePatch(path, before, after), FILE_HEADERS_ONLY);
}

function shortestPatch(path: string, before: string, after: string): Promise<StructuredPatch | undefined> {
  return new Promise((resolve) => {
    structuredPatch(`a/${path}`, `b/${path}`, before, after, undefined, undefined, {
      ...LIMITS,
      context: 3,
      callback: resolve,
    });
  });
}

function wholePatch(path: string, before: string | null, after: string | null): StructuredPatch {
  const removed = linesOf(before ?? '', '-');
  const added = linesOf(after ?? '', '+');
  const hunk = {
    oldStart: 1,
    oldLines: removed.count,
    newStart: 1,
    newLines: added.count,
    lines: [...removed.lines, ...added.lines],
  };
  return {
    oldFileName: before === null ? '/dev/null' : `a/${path}`,
    newFileName: after === null ? '/dev/null' : `b/${path}`,
    oldHeader: undefined,
    newHeader: undefined,
    hunks: hunk.lines.length === 0 ? [] : [hunk],
  };
}

function linesOf(text: string, sign: '-' | '+'): { lines: string[]; count: number } {
  if (text === '') return { lines: [], count: 0 };
  const isWhole = text.endsWith('\n');
  const lines = (isWhole ? text.slice(0, -1) : text).split('\n').map((line) => sign + line);
  return { count: lines.length, lines: isWhole ? lines : [...lines, NO_LINE_END] };
}
