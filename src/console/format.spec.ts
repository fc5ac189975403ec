import { describe, expect, it } from '@jest/globals';

/** The script of the page, loaded as a browser would: it is not part of what is compiled. */
const path = './public/page/format.js';
const { cost, moment, reveal, json, exactJson } = (await import(path)) as {
  cost: (usd: number) => string;
  moment: (milliseconds: number) => string;
  reveal: (text: string) => string;
  json: (value: unknown, indent?: number) => string;
  exactJson: (value: unknown, indent?: number) => string;
};

describe('text for a person', () => {
  it.each([
    ['directions', 'a\u202eb\u2066c\u200fd\u061ce', 'a⟨U+202E⟩b⟨U+2066⟩c⟨U+200F⟩d⟨U+061C⟩e'],
    ['zero width', 'a\u200bb\u2060c\ufeffd\u00ade', 'a⟨U+200B⟩b⟨U+2060⟩c⟨U+FEFF⟩d⟨U+00AD⟩e'],
    ['tags', 'x\u{e0041}\u{e0042}', 'x⟨U+E0041 U+E0042⟩'],
    ['variation selectors that carry data', 'a\ufe00\u{e0101}', 'a⟨U+FE00 U+E0101⟩'],
    ['fillers', '\u3164\u115f\u2800\u034f', '⟨U+3164 U+115F U+2800 U+034F⟩'],
    ['controls and separators', '\u0000\u001b[31m\u007f\u2028', '⟨U+0000 U+001B⟩[31m⟨U+007F U+2028⟩'],
    ['long runs', '\u200b'.repeat(20), `⟨${Array(8).fill('U+200B').join(' ')} and 12 more⟩`],
  ])('names what is hidden in it: %s', (_title, text, shown) => {
    expect(reveal(text)).toBe(shown);
  });

  it.each([
    ['line breaks and tabs', 'a\r\n\tb'],
    [
      'emoji of several parts',
      '👩\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
    ],
    ['joiners within words', 'می\u200cخواهم क्\u200dष'],
    ['all scripts', 'שלום عالم 漢字 ñ'],
  ])('leaves as they are: %s', (_title, text) => {
    expect(reveal(text)).toBe(text);
  });

  it('names a joiner that joins nothing', () => {
    expect(reveal('a\u200db')).toBe('a⟨U+200D⟩b');
  });
});

describe('a value for who has to judge it', () => {
  const value = {
    'k\u200b': ['\u202e\u{e0041}', '\u00a0\u3000', '\\u202e', '\n\t\u007f\u2028', '❤\ufe0f', '漢é', '\ud800'],
    n: [1e21, -0.5, null, true],
  };

  it('is JSON that means exactly the same', () => {
    expect(JSON.stringify(JSON.parse(exactJson(value)))).toBe(JSON.stringify(value));
    expect(JSON.parse(exactJson('\u200b'))).toBe('\u200b');
  });

  it('has nothing in it that is not seen', () => {
    expect(exactJson(value, 0)).toBe(
      String.raw`{"k\u200b":["\u202e\udb40\udc41","\u00a0\u3000","\\u202e","\n\t\u007f\u2028","❤\ufe0f","漢é","\ud800"],"n":[1e+21,-0.5,null,true]}`,
    );
  });

  it('shows a string as text, and nothing for nothing', () => {
    expect(json('a\u200b')).toBe('a⟨U+200B⟩');
    expect(json(undefined)).toBe('');
  });
});

describe('figures', () => {
  it('keep two digits of a small sum that say something', () => {
    expect([0, 0.00014, 0.025, 0.5, 1, 12.345].map(cost)).toEqual([
      '$0.00',
      '$0.00014',
      '$0.025',
      '$0.50',
      '$1.00',
      '$12.35',
    ]);
  });

  it('tell a moment to the thousandth of a second', () => {
    expect([0, 3_104, 123_104].map(moment)).toEqual(['0.000', '3.104', '2:03.104']);
  });
});
