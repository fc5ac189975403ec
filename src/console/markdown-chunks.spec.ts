import { describe, expect, it } from '@jest/globals';

interface Chunk {
  kind: string;
  text: string;
  language: string;
  end: number;
  closed: boolean;
}

/** The script of the page, loaded as a browser would: it is not part of what is compiled. */
const path = './public/page/markdown-chunks.js';
const { firstChunk } = (await import(path)) as {
  firstChunk: (text: string, start: number, isWhole: boolean) => Chunk | null;
};

function chunksOf(text: string, isWhole = true): Chunk[] {
  const chunks: Chunk[] = [];
  let at = 0;
  for (;;) {
    const chunk = firstChunk(text, at, isWhole);
    if (chunk) chunks.push(chunk);
    if (!chunk?.closed) return chunks;
    at = chunk.end;
  }
}

const piecesOf = (text: string) => chunksOf(text).map((chunk) => [chunk.kind, chunk.text]);

describe('a Markdown text in pieces', () => {
  it.each<[string, string, [string, string][]]>([
    [
      'paragraphs',
      'a\nb\n\nc',
      [
        ['prose', 'a\nb\n\n'],
        ['prose', 'c'],
      ],
    ],
    [
      'a loose list stays whole',
      '- a\n\n- b\n\n  c\n\nd',
      [
        ['prose', '- a\n\n- b\n\n  c\n\n'],
        ['prose', 'd'],
      ],
    ],
    [
      'code in a list stays in it',
      '1. a\n   ```\n   b\n\n   c\n   ```\n2. d',
      [['prose', '1. a\n   ```\n   b\n\n   c\n   ```\n2. d']],
    ],
    [
      'code with blank lines',
      '```js\na\n\nb\n```\nc',
      [
        ['code', 'a\n\nb'],
        ['prose', 'c'],
      ],
    ],
    [
      'code right after text',
      'a\n~~~\nb',
      [
        ['prose', 'a\n'],
        ['code', 'b'],
      ],
    ],
    ['a longer fence closes, a shorter does not', '````\n```\n`````\n', [['code', '```']]],
    ['ticks within a line are no fence', '```a``` b', [['prose', '```a``` b']]],
    ['blanks only', ' \n\n\t\n', []],
  ])('%s', (_title, text, pieces) => {
    expect(piecesOf(text)).toEqual(pieces);
  });

  it('names the language of code', () => {
    expect(chunksOf('``` sql title="x"\na')[0]!.language).toBe('sql');
  });

  it.each([
    ['a\n\nb', [true, false]],
    ['a\n\n1', [false]],
    ['a\n\n1. b', [false]],
    ['```\na\n```', [false]],
    ['```\na\n```\n', [true]],
  ])('%j, still growing: a piece is over when nothing can change it', (text, closed) => {
    expect(chunksOf(text.replace('b', 'b long enough to tell'), false).map((chunk) => chunk.closed)).toEqual(
      closed,
    );
  });

  it('gives the same pieces however the text has grown', () => {
    const text = '# a\n\n- b\n\n- c\n\n```js\nd\n\n```\n> e\n\nf **g**\n\n1) h\n\ni';
    const seen: Chunk[] = [];
    let from = 0;
    for (let length = 1; length <= text.length; length += 1)
      for (
        let chunk;
        (chunk = firstChunk(text.slice(0, length), from, length === text.length))?.closed;
        from = chunk.end
      )
        seen.push(chunk);
    expect(seen.map((chunk) => chunk.text)).toEqual(chunksOf(text).map((chunk) => chunk.text));
  });

  it('keeps prose short, and what has no place to be cut plain', () => {
    const lines = chunksOf('a line of text\n'.repeat(5_000));
    expect(lines.every(({ kind, text }) => kind === 'prose' && text.length < 8_100)).toBe(true);
    expect(chunksOf('word '.repeat(4_000)).map(({ kind }) => kind)).toEqual(['plain']);
  });

  it.each([
    ['ticks', '`'.repeat(300_000) + 'a`'],
    ['tildes', '~'.repeat(300_000)],
    ['blanks', ' '.repeat(300_000) + 'a'],
    ['fences that do not close', '```\n' + '``` x\n'.repeat(50_000)],
    ['blank lines', '\n'.repeat(300_000)],
  ])('takes the time of a look at %s', (_title, text) => {
    const begin = performance.now();
    chunksOf(text);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });
});
