import { describe, expect, it } from '@jest/globals';
import { isReturnPath } from './return-path.js';

describe('the path to come back to', () => {
  it.each(['/', '/?session=ses_1#end', '/a/b;c=d', '/%5Cevil.test', '/a//b', '/?next=https://evil.test'])(
    'may be %s',
    (text) => expect(isReturnPath(text)).toBe(true),
  );

  it.each([
    '',
    'a',
    '//evil.test',
    '///evil.test',
    '/\\evil.test',
    '\\\\evil.test',
    '/a\\b',
    'https://evil.test/',
    'javascript:alert(1)',
    '/\t/evil.test',
    '/\n/evil.test',
    ' /',
    '/ü',
    '/a b',
    '/\u0000',
    `/${'a'.repeat(2_000)}`,
  ])('may not be %j', (text) => expect(isReturnPath(text)).toBe(false));
});
