import { describe, expect, it } from '@jest/globals';
import { changeSession, createSession, listSessions, textUpTo } from './requests.js';

const isTaken = (body: unknown) => createSession.safeParse(body).success;
const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

describe('text up to a length', () => {
  const four = textUpTo(4);

  it.each(['', 'abcd', '😀😀😀😀', 'e\u0301e\u0301', '漢字漢字', '\u{10ffff}a\u2028b'])(
    '%j is within four characters',
    (text) => {
      expect(four.parse(text)).toBe(text);
    },
  );

  it.each(['abcde', '😀😀😀😀😀', 'e\u0301e\u0301e', '👩‍👩‍👧', '\u0000', '\ud83d', 'a\ude00', 5, null])(
    '%j is not',
    (text) => {
      expect(four.safeParse(text).success).toBe(false);
    },
  );
});

describe('a session', () => {
  it('may be begun with nothing, or with everything', () => {
    const everything = {
      title: 'A',
      agent: 'helper',
      model: 'anthropic/claude-opus-5-5:beta@1',
      system: 'Be brief.',
      metadata: { a: [1, null, { b: 'c' }], ключ: true },
    };
    expect(createSession.parse({})).toEqual({});
    expect(createSession.parse(everything)).toEqual(everything);
    expect(changeSession.parse({ title: null, model: null, system: null })).toEqual({
      title: null,
      model: null,
      system: null,
    });
  });

  it.each<[string, unknown]>([
    ['is no object', null],
    ['is a list', []],
    ['has a field that nobody knows', { tenant_id: 'x' }],
    ['has a title of 201 characters', { title: 'x'.repeat(201) }],
    ['has a title with NUL', { title: 'a\u0000' }],
    ['has a title with half a character', { title: '\ud83d' }],
    ['has a title that is a number', { title: 5 }],
    ['has a model with blanks', { model: 'a b' }],
    ['has a model with a line feed', { model: 'a\n' }],
    ['has an empty model', { model: '' }],
    ['has a model of 201 characters', { model: 'x'.repeat(201) }],
    ['has a system prompt of 100,001 characters', { system: 'x'.repeat(100_001) }],
    ['has metadata that are a list', { metadata: [] }],
    ['has metadata that are null', { metadata: null }],
    ['has metadata under a forbidden name', { metadata: { constructor: {} } }],
    ['has metadata under another forbidden name', { metadata: { prototype: {} } }],
    ['has metadata of more than 16 KiB', { metadata: { a: 'x'.repeat(16_384) } }],
  ])('that %s is refused', (_name, body) => {
    expect(isTaken(body)).toBe(false);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('has a title of 200 characters, each counted once', () => {
    expect(isTaken({ title: '😀'.repeat(200) })).toBe(true);
    expect(isTaken({ title: '😀'.repeat(201) })).toBe(false);
  });

  it('has no metadata that reach a prototype', () => {
    const { metadata } = createSession.parse({ metadata: JSON.parse('{"a":1,"__proto__":{"admin":true}}') });
    expect(Object.keys(metadata!)).toEqual(['a']);
    expect(metadata!['admin']).toBeUndefined();
  });

  it('has metadata as deep as a body can be', () => {
    expect(isTaken({ metadata: nested(62) })).toBe(true);
  });

  it('may have another agent later, or the default again', () => {
    expect(changeSession.parse({ agent: 'helper' })).toEqual({ agent: 'helper' });
    expect(changeSession.parse({ agent: null })).toEqual({ agent: null });
    expect(changeSession.safeParse({ agent: '' }).success).toBe(false);
  });
});

describe('a list of sessions', () => {
  it('has twenty a page, or as many as asked for', () => {
    expect(listSessions.parse({})).toEqual({ limit: 20 });
    expect(listSessions.parse({ limit: '1', cursor: 'x', utm_source: 'y' })).toEqual({
      limit: 1,
      cursor: 'x',
    });
    expect(listSessions.parse({ limit: '100' })).toEqual({ limit: 100 });
  });

  it('has those with a word in their title, of 200 characters at most', () => {
    expect(listSessions.parse({ q: '100 %' })).toEqual({ limit: 20, q: '100 %' });
    expect(listSessions.safeParse({ q: '😀'.repeat(200) }).success).toBe(true);
    for (const q of ['', ' \t', '😀'.repeat(201), 'a\u0000', '\ud83d', ['a', 'b']])
      expect(listSessions.safeParse({ q }).success).toBe(false);
  });

  it.each(['0', '101', '-1', '1.5', '1e1', '0x5', ' 5', '', 'all', ['5', '6']])(
    'has no limit of %j',
    (limit) => {
      expect(listSessions.safeParse({ limit }).success).toBe(false);
    },
  );
});
