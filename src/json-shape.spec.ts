import { describe, expect, it } from '@jest/globals';
import { shapeFault } from './json-shape.js';

const fault = (text: string) => shapeFault(Buffer.from(text));
const DEEP = 'The body is nested more than 64 levels deep.';
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
    ['65 lists after a text that ends in a backslash', `{"a":"\\\\","b":${'['.repeat(65)}`, DEEP],
  ])('is wrong for %s', (_name, text, expected) => {
    expect(fault(text)).toBe(expected);
  });

  it('is known of ten megabytes in little time, whatever is in them', () => {
    for (const text of ['A'.repeat(10_000_000), '\\"'.repeat(5_000_000), '['.repeat(10_000_000)]) {
      const body = Buffer.from(`{"content":"${text}"}`);
      const cpu = process.cpuUsage();
      expect(shapeFault(body)).toBeUndefined();
      const took = process.cpuUsage(cpu).user / 1000;
      process.stdout.write(`shape of 10 MB of ${text.slice(0, 2)}: ${Math.round(took)} ms\n`);
      expect(took).toBeLessThan(2_000);
    }
  });
});
