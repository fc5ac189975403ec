import type { PageBlock } from './page-blocks.js';

/** How a block is run; `unknown` is a failure. */
export type BlockKind =
  | 'diagram'
  | 'set-up'
  | 'server'
  | 'shell'
  | 'output'
  | 'json'
  | 'file'
  | 'change'
  | 'node'
  | 'browser'
  | 'unknown';

const SET_UP = /^(?:git clone .*|npm ci|cd agentline)$/;
/** The last line of a block that starts a server: it does not end by itself. */
export const STARTS = /^(?:[A-Z_]+=(?:'[^']*'|"[^"]*"|\S*) +)*npm (?:start|run start:prod)$/;
const FILE = /^(?:\/\/|#|<!--) ([\w.@-]+(?:\/[\w.@-]+)*\.\w+)(?: -->)?\n/;

/** The path that the first line of a block names, when it is a whole file. */
export function fileOf({ language, text }: PageBlock): string | undefined {
  return language === 'bash' ? undefined : FILE.exec(text)?.[1];
}

/** What stands in that file: all but the line that names it. */
export function contentOf({ text }: PageBlock): string {
  return text.replace(FILE, '');
}

export function kindOf(block: PageBlock): BlockKind {
  const { language, text } = block;
  const lines = text.trim().split('\n');
  switch (language) {
    case 'text':
      return 'diagram';
    case 'bash':
      if (lines.every((line) => SET_UP.test(line))) return 'set-up';
      return STARTS.test(lines.at(-1) ?? '') ? 'server' : 'shell';
    case 'output':
    case 'json':
      return language;
    case 'diff':
      return text.startsWith('+++ ') ? 'change' : 'unknown';
    case 'html':
      return 'browser';
    case 'js':
      if (text.startsWith('// in a page')) return 'browser';
      return fileOf(block) === undefined ? 'node' : 'file';
    case 'ts':
      return fileOf(block) === undefined ? 'node' : 'file';
    default:
      return fileOf(block) === undefined ? 'unknown' : 'file';
  }
}

const SHOWN = new Set<BlockKind>(['output', 'json']);

/** What shows the output of another block: it is the ground of nothing. */
export const isShown = (block: PageBlock): boolean => SHOWN.has(kindOf(block));

/** Of each block that shows an output, the block that has written it. */
export function writersOf(blocks: readonly PageBlock[]): Map<PageBlock, PageBlock | undefined> {
  let writer: PageBlock | undefined;
  const writers = new Map<PageBlock, PageBlock | undefined>();
  for (const block of blocks) {
    if (isShown(block)) writers.set(block, writer);
    else writer = block;
  }
  return writers;
}

/** The blocks that run in a browser, with what they write there. */
export function browserBlocks(blocks: readonly PageBlock[]): PageBlock[] {
  const writers = writersOf(blocks);
  return blocks.filter((block) => kindOf(writers.get(block) ?? block) === 'browser');
}
