import { describe, expect, it } from '@jest/globals';
import { content, textBytes } from './content.js';

/** Beginnings of files as their formats have them, in base64. */
const FILES = {
  png: Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  jpeg: Buffer.from('ffd8ffe000104a46494600010100', 'hex'),
  gif: Buffer.from('GIF89a\u0001\u0000\u0001\u0000', 'latin1'),
  oldGif: Buffer.from('GIF87a\u0001\u0000\u0001\u0000', 'latin1'),
  webp: Buffer.from('RIFF\u0024\u0000\u0000\u0000WEBPVP8 ', 'latin1'),
  wave: Buffer.from('RIFF\u0024\u0000\u0000\u0000WAVEfmt ', 'latin1'),
  pdf: Buffer.from('%PDF-1.7\n%\u00e2\u00e3', 'latin1'),
  page: Buffer.from('<html><script>'),
};

const image = (media_type: string, file: Buffer | string) => ({
  type: 'image',
  source: { type: 'base64', media_type, data: typeof file === 'string' ? file : file.toString('base64') },
});
const document = (file: Buffer) => ({
  type: 'document',
  source: { type: 'base64', media_type: 'application/pdf', data: file.toString('base64') },
});
const text = (said: unknown) => ({ type: 'text', text: said });
const picture = (url: string) => ({ type: 'image', source: { type: 'url', url } });
const isTaken = (value: unknown) => content.safeParse(value).success;

describe('a text', () => {
  it.each(['hello', ' a ', '0', '\u202e\u200b x', 'e\u0301'.repeat(300), '😀', '\ufeffa', 'a\u0085'])(
    '%j is taken as it is',
    (said) => {
      expect(content.parse(said)).toBe(said);
      expect(content.parse([text(said)])).toEqual([text(said)]);
    },
  );

  it.each([
    '',
    ' ',
    '\n\t\r\n',
    '\u00a0\u2003\ufeff',
    '\u0000',
    'a\u0000b',
    '\ud83d',
    'a\ude00',
    '\ude00\ud83d',
  ])('%j is refused, alone and as a block', (said) => {
    expect(isTaken(said)).toBe(false);
    expect(isTaken([text(said)])).toBe(false);
    expect(isTaken([text('hello'), text(said)])).toBe(false);
  });

  it.each([
    null,
    undefined,
    5,
    true,
    {},
    [],
    [null],
    ['a'],
    [[]],
    [text(5)],
    [{ type: 'text' }],
    { 0: text('a') },
  ])('%j is none', (value) => {
    expect(isTaken(value)).toBe(false);
  });

  it('has a hundred blocks at most', () => {
    expect(isTaken(Array.from({ length: 100 }, () => text('a')))).toBe(true);
    expect(isTaken(Array.from({ length: 101 }, () => text('a')))).toBe(false);
  });
});

describe('a block', () => {
  it.each([
    ['tool_result', { type: 'tool_result', tool_use_id: 'x', content: 'y' }],
    ['tool_use', { type: 'tool_use', id: 'x', name: 'y', input: {} }],
    ['thinking', { type: 'thinking', thinking: 'x', signature: 'y' }],
    ['no type', { text: 'x' }],
    ['a field that nobody knows', { ...text('x'), cache_control: { type: 'ephemeral' } }],
    ['a source that nobody knows', { type: 'image', source: { type: 'file', file_id: 'x' } }],
    ['a field more in its source', { type: 'image', source: { ...picture('https://x.test').source, a: 1 } }],
    ['no source', { type: 'image' }],
  ])('with %s is refused', (_name, block) => {
    expect(isTaken([text('hello'), block])).toBe(false);
  });
});

describe('a file', () => {
  it.each([
    ['image/png', FILES.png],
    ['image/jpeg', FILES.jpeg],
    ['image/gif', FILES.gif],
    ['image/gif', FILES.oldGif],
    ['image/webp', FILES.webp],
  ])('that is the %s that it says is taken', (type, file) => {
    expect(isTaken([image(type, file)])).toBe(true);
  });

  it.each<[string, string, Buffer | string]>([
    ['another image than it says', 'image/png', FILES.jpeg],
    ['a sound in the place of an image', 'image/webp', FILES.wave],
    ['a page', 'image/png', FILES.page],
    ['a page that says so', 'text/html', FILES.page],
    ['a drawing with scripts', 'image/svg+xml', '<svg/>'],
    ['nothing', 'image/png', ''],
    ['too little', 'image/png', FILES.png.subarray(0, 4)],
    ['no base64', 'image/png', 'iVBORw0KGgo!'],
    ['base64 with line breaks', 'image/png', `${FILES.png.toString('base64').slice(0, 16)}\n   `],
    ['base64 without its padding', 'image/jpeg', FILES.jpeg.toString('base64').replace(/=+$/, '')],
    ['base64 of the URL alphabet', 'image/jpeg', '_9j_4AAQSkZJRgABAQA='],
    ['an address that holds it', 'image/png', `data:image/png;base64,${FILES.png.toString('base64')}`],
  ])('that is %s is refused', (_name, type, file) => {
    expect(isTaken([image(type, file)])).toBe(false);
  });

  it('of two megabytes is looked through in little time', () => {
    const big = Buffer.concat([FILES.png, Buffer.alloc(2_000_000, 0xff)]);
    const cpu = process.cpuUsage();
    expect(isTaken([image('image/png', big)])).toBe(true);
    expect(isTaken([image('image/png', `${big.toString('base64').slice(0, -1)}!`)])).toBe(false);
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(1_000);
  });
});

const titled = (title: string) => [{ ...document(FILES.pdf), title }];

describe('a document', () => {
  it('is a PDF, a plain text or an address, with a title and a context', () => {
    expect(isTaken([document(FILES.pdf)])).toBe(true);
    expect(isTaken([document(FILES.png)])).toBe(false);
    expect(isTaken([document(Buffer.concat([Buffer.from('\n'), FILES.pdf]))])).toBe(false);
    const plain = { type: 'text', media_type: 'text/plain', data: 'hello' };
    const written = { type: 'document', source: plain, title: 'A', context: 'B' };
    expect(content.parse([written])).toEqual([written]);
    expect(isTaken([{ ...written, source: { ...plain, data: '' } }])).toBe(false);
    expect(isTaken([{ ...written, source: { ...plain, data: 'a\u0000' } }])).toBe(false);
    expect(isTaken([{ ...written, source: { ...plain, media_type: 'text/html' } }])).toBe(false);
    expect(isTaken([{ ...written, citations: { enabled: true } }])).toBe(false);
  });

  it('has a title of 500 characters at most, however long they are in UTF-16', () => {
    expect(isTaken(titled('😀'.repeat(500)))).toBe(true);
    expect(isTaken(titled('😀'.repeat(501)))).toBe(false);
    expect(isTaken(titled('a'.repeat(501)))).toBe(false);
  });
});

describe('an address', () => {
  it.each([
    'https://example.test/a.png?b=c',
    'HTTPS://EXAMPLE.TEST/',
    'https://例え.テスト/é',
    `https://x.test/${'a'.repeat(1_900)}`,
  ])('%s is taken', (url) => {
    expect(content.parse([picture(url)])).toEqual([picture(url)]);
  });

  it.each([
    'http://example.test/a.png',
    'ftp://example.test/',
    'file:///etc/passwd',
    'data:image/png;base64,iVBORw0KGgo=',
    'javascript:alert(1)',
    '//example.test/a.png',
    'https:example.test',
    'https://',
    '',
    'https://example.test/a b',
    'https://example.test/\u0000',
    'https://example.test/\ud800',
    `https://x.test/${'a'.repeat(2_000)}`,
  ])('%j is refused', (url) => {
    expect(isTaken([picture(url)])).toBe(false);
  });

  it('loses the blanks around it and the line feeds in it, as everywhere on the web', () => {
    expect(content.parse([picture(' https://example.test/\nx ')])).toEqual([
      picture('https://example.test/x'),
    ]);
  });
});

it('the text of a message is counted in bytes of UTF-8, and files are not', () => {
  const said = content.parse([
    text('ab'),
    text('漢😀'),
    image('image/png', FILES.png),
    {
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'éa' },
      title: 'not counted',
    },
  ]);
  expect(textBytes(said as Exclude<typeof said, string>)).toBe(2 + 7 + 3);
});
