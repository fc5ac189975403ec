import { describe, expect, it } from '@jest/globals';
import { shapeFault } from './json-shape.js';

const fault = (text: string) => shapeFault(Buffer.from(text));
const DEEP = 'The body is nested more than 64 levels deep.';
const BLANKS = 'The body has more than 65536 blanks between its parts.';
const ESCAPES = 'The body has more than 1000000 escapes in its texts.';
const MANY = 'The body has more than 20000 parts.';

describe('the shape of a body', () => {
  it.each([
    ['nothing', ''],
    ['a message', '{"content":[{"type":"text","text":"hello, [world] {x}"}],"when_busy":"queue"}'],
    ['64 levels', '['.repeat(64) + ']'.repeat(64)],
    ['64 levels, again and again', `[${'[[]],'.repeat(1_000)}[]]`],
    ['brackets and commas in a text', JSON.stringify({ content: '[{,'.repeat(20_000) })],
    [
      'escaped quotes and backslashes before brackets',
      JSON.stringify({ content: '"[\\"[\\\\",'.repeat(20_000) }),
    ],
    ['a text that ends in an escape', '"\\'],
    ['a text without an end', '"[[[['],
    ['19,998 commas', `[${'1,'.repeat(19_998)}1]`],
    ['a number of 1,000 digits', `[${'1'.repeat(1_000)},2]`],
    ['65,536 blanks', `[${' \n'.repeat(32_768)}]`],
    ['more blanks and digits in a text', `["${' 1'.repeat(100_000)}"]`],
    ['a million escapes', `["${'\\"'.repeat(500_000)}","${'\\u0041'.repeat(500_000)}"]`],
  ])('is right for %s', (_name, text) => {
    expect(fault(text)).toBeUndefined();
  });

  it.each([
    ['65 lists', '['.repeat(65), DEEP],
    ['65 objects', '{"a":'.repeat(65), DEEP],
    ['65 of both, after a text with a bracket less', `{"a":"]\\"]",${'"b":[{'.repeat(33)}`, DEEP],
    ['more than 20,000 numbers', `[${'1,'.repeat(20_000)}1]`, MANY],
    ['more than 20,000 texts, even without commas', '""'.repeat(20_001), MANY],
    ['more than 10,000 empty objects', `[${'{}'.repeat(10_000)}]`, MANY],
    ['more than 10,000 fields', `{${'"a":1,'.repeat(10_000)}"a":1}`, MANY],
    [
      'a number of 1,001 digits',
      `[1,${'1'.repeat(1_001)}]`,
      'The body has a number of more than 1000 digits.',
    ],
    [
      'anything else that long',
      `{"a"${':'.repeat(1_001)}`,
      'The body has a number of more than 1000 digits.',
    ],
    [
      'a million digits',
      `[${`${'1'.repeat(999)},`.repeat(1_002)}1]`,
      'The body has more than 1000000 digits.',
    ],
    ['65,537 blanks', `[${' 1,'.repeat(537)}${'\t'.repeat(65_000)}`, BLANKS],
    ['a million escapes and one', `["${'\\n'.repeat(500_000)}","${'\\"'.repeat(500_001)}"]`, ESCAPES],
    ['65 lists after a text that ends in a backslash', `{"a":"\\\\","b":${'['.repeat(65)}`, DEEP],
  ])('is wrong for %s', (_name, text, expected) => {
    expect(fault(text)).toBe(expected);
  });

  it('is known of ten megabytes in little time, whatever is in them', () => {
    const texts: [string, string | undefined][] = [
      ['A'.repeat(10_000_000), undefined],
      ['\\"'.repeat(5_000_000), ESCAPES],
      [`\\n${'['.repeat(10_000_000)}`, undefined],
    ];
    for (const [text, expected] of texts) {
      const body = Buffer.from(`{"content":"${text}"}`);
      const cpu = process.cpuUsage();
      expect(shapeFault(body)).toBe(expected);
      const took = process.cpuUsage(cpu).user / 1000;
      process.stdout.write(`shape of 10 MB of ${text.slice(0, 2)}: ${Math.round(took)} ms\n`);
      expect(took).toBeLessThan(2_000);
    }
  });
});
