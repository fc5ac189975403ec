import { describe, expect, it } from '@jest/globals';
import { asWritten, parseExactly } from './exact-json.js';

const BIG = '12345678901234567890';

function roundTrip(text: string): string {
  const { value, numbers } = parseExactly(text);
  const stored = JSON.parse(JSON.stringify({ type: 'tool_use', input: value, exact_numbers: numbers }));
  return JSON.stringify(asWritten(stored).input);
}

describe('exact JSON', () => {
  it('reads an integer above 2^53 as a string of its digits', () => {
    expect(parseExactly(`{"id":${BIG},"list":[1,-9007199254740993]}`)).toEqual({
      value: { id: BIG, list: [1, '-9007199254740993'] },
      numbers: { '/id': BIG, '/list/1': '-9007199254740993' },
    });
  });

  it.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['12345678901234567000', '12345678901234567000'],
    ['0.1', 0.1],
    ['0.30000000000000004', 0.30000000000000004],
    ['0.123456789012345678901', '0.123456789012345678901'],
    ['1.0', 1],
    ['1e3', 1000],
    ['1e400', '1e400'],
    ['-0', -0],
  ])('reads %s as %j', (text, expected) => {
    expect(parseExactly(`{"n":${text}}`).value).toEqual({ n: expected });
  });

  it('leaves texts of digits alone', () => {
    expect(parseExactly(`{"id":"${BIG}"}`)).toEqual({ value: { id: BIG }, numbers: {} });
  });

  it.each([
    `{"id":${BIG}}`,
    `{"a":[{"b/c~d":${BIG}},1.0,1e3,-0,1E400,0.10]}`,
    `{"__proto__":{"id":${BIG}}}`,
    '{"a":1,"b":"x","c":null,"d":[true,{}]}',
  ])('gives %s back to the model as it came, also from the database', (text) => {
    expect(roundTrip(text)).toBe(text);
  });

  it('gives back what is no number, or no place in the input, as it is', () => {
    const block = {
      type: 'tool_use',
      id: 'toolu_1',
      input: { a: '1' },
      exact_numbers: { '/a': '1,"x":2', '/b': '1', '/a/length': '1', '': '1' },
    };

    expect(asWritten(block)).toEqual({ type: 'tool_use', id: 'toolu_1', input: { a: '1' } });
    expect(asWritten({ type: 'text', text: 'a' })).toEqual({ type: 'text', text: 'a' });
  });

  it('refuses what is no JSON', () => {
    expect(() => parseExactly(`{"id":${BIG}`)).toThrow(SyntaxError);
  });
});
