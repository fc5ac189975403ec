import { describe, expect, it } from '@jest/globals';
import { globMatcher } from './glob.js';

describe('globMatcher', () => {
  it.each([
    ['*.ts', 'a.ts', true],
    ['*.ts', 'src/deep/a.ts', true],
    ['*.ts', 'a.tsx', false],
    ['src/*.ts', 'src/a.ts', true],
    ['src/*.ts', 'src/deep/a.ts', false],
    ['src/*.ts', 'other/src/a.ts', false],
    ['src/**/*.ts', 'src/a.ts', true],
    ['src/**/*.ts', 'src/very/deep/a.ts', true],
    ['src/**', 'src/a/b', true],
    ['**/a.ts', 'a.ts', true],
    ['./src/*', 'src/a', true],
    ['*.{ts,md}', 'a.md', true],
    ['*.{ts,md}', 'a.js', false],
    ['a?.ts', 'ab.ts', true],
    ['a?.ts', 'a.ts', false],
    ['[a-c].ts', 'b.ts', true],
    ['[!a-c].ts', 'b.ts', false],
    ['[!a-c].ts', 'd.ts', true],
    ['a.ts', 'aXts', false],
    ['a+(b).ts', 'a+(b).ts', true],
    ['}', '}', true],
    ['[', '[', true],
    ['größe*', 'größe.txt', true],
  ])('%p and %p: %p', (glob, path, fits) => {
    expect(globMatcher(glob)(path)).toBe(fits);
  });

  it('refuses what is no glob', () => {
    expect(() => globMatcher('a{b')).toThrow('"a{b" is not a glob.');
    expect(() => globMatcher('[z-a]')).toThrow('"[z-a]" is not a glob.');
    expect(() => globMatcher('a'.repeat(300))).toThrow('256 characters at most');
  });

  it('takes no longer for a glob that is made to', () => {
    const fits = globMatcher(`${'*a'.repeat(100)}b`);
    const before = process.cpuUsage();
    expect(fits('a'.repeat(255))).toBe(false);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(500);
  });
});
