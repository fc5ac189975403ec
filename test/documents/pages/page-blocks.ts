import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/build.js';

/** The pages of `docs/` in which every block of code is run: one for each kind of reader. */
export const PAGES = ['try-it', 'front-end', 'modules', 'operate', 'understand'] as const;
export type PageName = (typeof PAGES)[number];

/** A fenced block of a page. */
export interface PageBlock {
  language: string;
  text: string;
  /** The last heading before it. */
  heading: string;
  /** Line of its fence in the page. */
  line: number;
}

/** The page's Markdown. */
export function pageText(page: string): string {
  return readFileSync(join(ROOT, 'docs', `${page}.md`), 'utf8');
}

/** @throws Error where a fence is not one of ours: it would be a block that nobody runs. */
export function blocksOfPage(page: string): PageBlock[] {
  return blocksOfText(pageText(page), page);
}

export function blocksOfText(text: string, page: string): PageBlock[] {
  const blocks: PageBlock[] = [];
  let heading = '';
  let open: PageBlock | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const at = `docs/${page}.md:${index + 1}`;
    const isFence = /^\s*(?:>\s*)?(?:```|~~~)/.test(line);
    if (open !== undefined) {
      if (line === '```') open = undefined;
      else if (isFence) throw new Error(`${at} is a fence inside the block of line ${open.line}`);
      else open.text += `${line}\n`;
      continue;
    }
    if (/^#+ /.test(line)) heading = line.replace(/^#+ /, '');
    if (!isFence) continue;
    const language = /^```([a-z]+)$/.exec(line)?.[1];
    if (language === undefined) throw new Error(`${at}: a block begins with three backticks and a language`);
    blocks.push((open = { language, text: '', heading, line: index + 1 }));
  }
  if (open !== undefined) throw new Error(`docs/${page}.md: the block of line ${open.line} does not end`);
  return blocks;
}
