import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { contentOf, fileOf, kindOf, writersOf } from './pages/block-kind.js';
import { expectJson, expectOutput } from './pages/expected.js';
import { blocksOfPage, blocksOfText, PAGES, pageText } from './pages/page-blocks.js';
import { ROOT } from '../support/build.js';

const block = (language: string, text: string) => ({ language, text, heading: '', line: 1 });
const DOCS = join(ROOT, 'docs');
const specOf = (page: string) => join(ROOT, 'test/documents', `${page}.e2e-spec.ts`);

describe.each(PAGES)('docs/%s.md', (page) => {
  it('is run by a spec of its own, with a runner for each language', () => {
    const spec = readFileSync(specOf(page), 'utf8');
    expect(spec).toContain(`describePage('${page}'`);
    const own = /runners: \{([^]*?)\n {2}\}/.exec(spec)?.[1] ?? '';
    const unknown = blocksOfPage(page).filter(
      (block) => kindOf(block) === 'unknown' && !new RegExp(`\\b${block.language}\\b`).test(own),
    );
    expect(unknown).toEqual([]);
  });

  it('shows what was written only after what writes it', () => {
    const mute = [...writersOf(blocksOfPage(page))].filter(
      ([, writer]) =>
        writer === undefined || ['diagram', 'set-up', 'file', 'change'].includes(kindOf(writer)),
    );
    expect(mute).toEqual([]);
  });

  it('says of every file what is done with it', () => {
    const blocks = blocksOfPage(page);
    const specs = [specOf(page), join(ROOT, 'test/browser/documents.e2e-spec.ts')];
    const users = specs.map((path) => readFileSync(path, 'utf8'));
    const unused = blocks.filter((block) => {
      const path = fileOf(block);
      if (path === undefined || path.includes('src/')) return false;
      const others = blocks.filter((other) => other !== block).map(({ text }) => text);
      return ![...others, ...users].some((text) => text.includes(path));
    });
    expect(unused).toEqual([]);
  });

  it('links to what is there', () => {
    const prose = pageText(page).replaceAll(/^```[^]*?^```/gm, '');
    const links = [...prose.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    const gone = links.filter(([, to = '', place]) => {
      const file = join(DOCS, to === '' ? `${page}.md` : to);
      return !existsSync(file) || (place !== undefined && !placesOf(file).includes(place));
    });
    expect(gone.map(([link]) => link)).toEqual([]);
  });

  it('leaves getting the server to the page that begins with it', () => {
    const setUps = blocksOfPage(page).filter((block) => kindOf(block) === 'set-up');
    expect(setUps).toHaveLength(page === 'try-it' ? 1 : 0);
  });

  it('is named by README.md', () => {
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`(docs/${page}.md)`);
  });
});

/** Names of the headings of a document, as links have them. */
function placesOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('the blocks of a page', () => {
  const fence = '```';

  it.each([
    ['text', 'a -> b\n', 'diagram'],
    ['bash', 'git clone here agentline\ncd agentline\nnpm ci\n', 'set-up'],
    ['bash', 'npm ci && npm test\n', 'shell'],
    ['bash', 'npm start\n', 'server'],
    ['bash', `export A=1\nLIMITS='{"user": {}}' PORT=3001 npm run start:prod\n`, 'server'],
    ['bash', 'npm start && curl x\n', 'shell'],
    ['js', '// in a page\nalert(1)\n', 'browser'],
    ['js', '// watch.mjs\nlet a;\n', 'file'],
    ['js', '// Node 22 or newer\nlet a;\n', 'node'],
    ['ts', '// src/tools/a.tool.ts\nlet a;\n', 'file'],
    ['ts', 'let a: string;\n', 'node'],
    ['diff', '+++ src/a.ts\n+b\n', 'change'],
    ['diff', '+b\n', 'unknown'],
    ['yaml', '# compose.yaml\na: 1\n', 'file'],
    ['yaml', 'a: 1\n', 'unknown'],
    ['html', '<!-- page.html -->\n<p>\n', 'browser'],
  ])('of %s: %j is %s', (language, text, kind) => {
    expect(kindOf(block(language, text))).toBe(kind);
  });

  it('are named and whole', () => {
    const text = `# A\n\n${fence}js\n// a/b.mjs\n1;\n${fence}\n## B\n${fence}text\nx\n${fence}\n`;
    const [first, second] = blocksOfText(text, 'x');
    expect([fileOf(first!), contentOf(first!)]).toEqual(['a/b.mjs', '1;\n']);
    expect(second).toEqual({ language: 'text', text: 'x\n', heading: 'B', line: 8 });
  });

  it.each([
    `${fence}\nx\n${fence}\n`,
    `- a\n  ${fence}js\n  1\n  ${fence}\n`,
    '~~~js\n1\n~~~\n',
    `${fence}js\n1\n`,
    `${fence}js title\n1\n${fence}\n`,
  ])('are refused where nobody would see them: %j', (text) => {
    expect(() => blocksOfText(text, 'x')).toThrow('docs/x.md');
  });

  it('compares what is shown, but for what is different each time', () => {
    expect(() => expectOutput('a 1\nb 2\nc 3\n', 'a …\n…\nc 3')).not.toThrow();
    expect(() => expectOutput('a 1\nb 2\nc 3\n', 'a …\nc 3')).toThrow('not written: c 3');
    expect(() => expectOutput('a 1\nb 2\n', 'a …\nc 3')).toThrow();
    expect(() => expectOutput('a 1\nb 2\n', 'b 2')).toThrow();
    const actual = '{"id":"ses_1","n":2,"list":[1,2]}';
    expect(() => expectJson(actual, '{"id":"ses_…","n":2,"list":"…"}')).not.toThrow();
    expect(() => expectJson(actual, '{"n":2,"…":"…"}')).not.toThrow();
    expect(() => expectJson(actual, '{"n":2}')).toThrow();
    expect(() => expectJson(actual, '{"n":3,"…":"…"}')).toThrow();
  });
});
