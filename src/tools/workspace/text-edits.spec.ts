import { describe, expect, it } from '@jest/globals';
import { applyEdits, type TextEdit } from './text-edits.js';

const edit = (old_string: string, new_string: string, replace_all?: boolean): TextEdit => ({
  old_string,
  new_string,
  replace_all,
});

describe('applyEdits', () => {
  it.each<[string, string, TextEdit[], string, number]>([
    ['one place', 'a b c', [edit('b', 'x')], 'a x c', 1],
    ['every place', 'b a b', [edit('b', 'x', true)], 'x a x', 2],
    ['one place, with replace_all', 'a b', [edit('b', 'x', true)], 'a x', 1],
    ['in order, each after the one before', 'a', [edit('a', 'b'), edit('b', 'c')], 'c', 2],
    ['to nothing', 'a b', [edit(' b', '')], 'a', 1],
    ['as plain text', 'a.b', [edit('.b', '$&$1')], 'a$&$1', 1],
    ['with line ends as they are', 'a\r\nb', [edit('a\r\n', 'c\n')], 'c\nb', 1],
  ])('replaces %s', (_what, before, edits, after, replacements) => {
    expect(applyEdits(before, edits, 100)).toEqual({ text: after, replacements });
  });

  it.each<[string, string, TextEdit[], string]>([
    ['is not there', 'a', [edit('b', 'x')], 'The edit cannot be made: old_string is not in the file'],
    ['is there twice', 'b b', [edit('b', 'x')], 'more than once'],
    ['overlaps itself', 'aaa', [edit('aa', 'x')], 'more than once'],
    ['changes nothing', 'a', [edit('a', 'a')], 'are the same'],
    ['is empty', 'a', [edit('', 'x')], 'old_string is empty'],
    ['was replaced before', 'a', [edit('a', 'b'), edit('a', 'c')], 'Edit 2 of 2 cannot be made'],
    ['makes too much', 'a'.repeat(50), [edit('a', 'bbb', true)], 'more than 100 characters'],
  ])('refuses all when a text %s', (_what, before, edits, message) => {
    expect(() => applyEdits(before, edits, 100)).toThrow(message);
  });

  it('does not even try what no string can hold', () => {
    const bomb = edit('a', 'b'.repeat(1_000_000), true);
    expect(() => applyEdits('a'.repeat(1_000_000), [bomb], 1_000_000)).toThrow(
      'more than 1000000 characters',
    );
  });
});
