import { describe, expect, it } from '@jest/globals';
import { formatWorkspacePath, isWorkspaceName, parseWorkspacePath } from './workspace-path.js';

describe('parseWorkspacePath', () => {
  it.each([
    ['a.txt', ['a.txt']],
    ['src/app.ts', ['src', 'app.ts']],
    ['./src/app.ts', ['src', 'app.ts']],
    ['././a', ['a']],
    ['src/', ['src']],
    ['.', []],
    ['', []],
    ['./', []],
    ['.gitignore', ['.gitignore']],
    ['..a', ['..a']],
    ['a..b', ['a..b']],
    ['notes….md', ['notes….md']],
    ['[id].tsx', ['[id].tsx']],
    ['-rf', ['-rf']],
    ['--help', ['--help']],
    ['$(touch x)', ['$(touch x)']],
    ['größe/文件。txt', ['größe', '文件。txt']],
    ['😀.txt', ['😀.txt']],
    ['console.log', ['console.log']],
    ['100%.txt', ['100%.txt']],
    ['a~', ['a~']],
  ])('%p names %p', (text, names) => {
    expect(parseWorkspacePath(text)).toEqual(names);
  });

  it.each([
    // Up and out.
    '..',
    '../',
    '../x',
    '../../etc/passwd',
    'a/../b',
    'a/../../b',
    'a/..',
    './..',
    './../x',
    'a/./b',
    '...',
    'a/.../b',
    '....//....//etc/passwd',
    '..;/x',
    // Absolute.
    '/',
    '/etc/passwd',
    '//etc/passwd',
    '//server/share',
    './/etc/passwd',
    'a//b',
    'file:///etc/passwd',
    // Backslashes and Windows.
    '..\\..\\x',
    'a\\b',
    '\\etc\\passwd',
    '\\\\server\\share\\x',
    '\\\\?\\C:\\x',
    '\\??\\C:\\x',
    'C:\\x',
    'C:/x',
    'c:x',
    'C:',
    'a.txt:stream',
    'a.txt::$DATA',
    'CON',
    'con',
    'nul.txt',
    'a/AUX',
    'COM1',
    'com¹',
    'LPT9.log',
    'CONIN$',
    'a.',
    'a ',
    ' a',
    'a/ /b',
    '.. /x',
    '.. ',
    '. ',
    'a. /b',
    'a*b',
    'a?b',
    'a|b',
    'a<b',
    'a>b',
    'a"b',
    // Home.
    '~',
    '~/x',
    '~root/x',
    'a/~/b',
    // Ends of text and what nobody sees.
    'a\0.txt',
    '\0',
    'a\0/../../etc/passwd',
    'a\nb',
    'a\rb',
    'a\tb',
    'a\u001b[2Jb',
    'a\u007fb',
    'a\u0085b',
    'a\u2028b',
    'a\u2029b',
    '.\u200b./x',
    '\u200b..',
    '.\u2060.',
    '\ufeff..',
    'a\u202etxt.exe',
    'a\u2066b',
    '\u{e0061}x',
    'a\ud800',
    '\udc00/x',
    // Looks like dots and slashes.
    '\uff0e\uff0e/x',
    '\uff0e.',
    '\u2024\u2024',
    '\u2024\u2024/x',
    '\u2025/x',
    '\u2026',
    '.\u2024',
    '\ufe52\ufe52',
    '\uff61\uff61',
    '\u00b7\u00b7',
    'a\uff0fb',
    '..\uff0fx',
    'a\u2215b',
    'a\u2044b',
    'a\u29f8b',
    '..\uff3cx',
    'a\ufe68b',
    'a\u2216b',
    // Encoded.
    '%2e%2e/x',
    '%2e%2e%2fx',
    '..%2fx',
    '%2E%2E%5Cx',
    '%252e%252e%252fx',
    'a%00.txt',
    '..%c0%afx',
    '%u002e%u002e/x',
    // Not in composed form: another name on other systems.
    'e\u0301.txt',
    '\u212b.txt',
    // Too long, too deep.
    'a'.repeat(256),
    'é'.repeat(128),
    Array(17).fill('a').join('/'),
    'a/'.repeat(600),
    '../'.repeat(10_000),
    // Names that the server uses itself.
    '.agentline-1',
    'a/.agentline-x/b',
  ])('%p is refused', (text) => {
    expect(() => parseWorkspacePath(text)).toThrow(
      /^(The path ".*" (?!.*undefined).+\.|A path has 1024 bytes at most\.)$/s,
    );
  });

  it('takes names of 255 bytes and 16 levels', () => {
    expect(parseWorkspacePath('é'.repeat(127))).toHaveLength(1);
    expect(parseWorkspacePath(Array(16).fill('a').join('/'))).toHaveLength(16);
  });

  it('says what is wrong, with the path cut', () => {
    expect(() => parseWorkspacePath('../x')).toThrow(
      'The path "../x" leaves the workspace or has a name of dots only.',
    );
    expect(() => parseWorkspacePath(`/${'x'.repeat(1000)}`)).toThrow(
      `The path "/${'x'.repeat(199)}" is absolute: paths are relative to the workspace.`,
    );
  });

  it('writes a path in one way', () => {
    expect(['./a/b/', '.', ''].map((text) => formatWorkspacePath(parseWorkspacePath(text)))).toEqual([
      'a/b',
      '.',
      '.',
    ]);
  });

  it('knows the names of a listing that no path has', () => {
    expect(['a.txt', 'a\\b', 'x\n', '.agentline-1'].map(isWorkspaceName)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
