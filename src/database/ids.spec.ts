import { describe, expect, it } from '@jest/globals';
import { isId, newId } from './ids.js';

describe('an id', () => {
  it('is its prefix and 26 characters of ASCII', () => {
    for (const prefix of ['ses', 'msg', 'run', 'usr', 'node'] as const) {
      const id = newId(prefix);
      expect(id).toMatch(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`));
      expect(isId(prefix, id)).toBe(true);
    }
  });

  it('is greater than all that this process has made before', () => {
    const ids = Array.from({ length: 10_000 }, () => newId('run'));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(10_000);
  });

  const good = 'run_01h455vb4pex5vsknk084sn02q';

  it.each([
    ['upper case', good.toUpperCase()],
    ['upper case after the prefix', `run_${good.slice(4).toUpperCase()}`],
    ['another prefix', good.replace('run', 'ses')],
    ['no prefix', good.slice(4)],
    ['a longer prefix', `x${good}`],
    ['braces', `{${good}}`],
    ['a UUID', '01890a5d-ac96-774b-bcce-b302099a8057'],
    ['one character less', good.slice(0, -1)],
    ['one character more', `${good}0`],
    ['a line feed at its end', `${good}\n`],
    ['a blank before it', ` ${good}`],
    ['letters that are not of the alphabet', good.replace('h', 'i')],
    ['a first character that makes more than 128 bits', `run_8${good.slice(5)}`],
    ['digits of another script', good.replace('0', '０')],
    ['NUL', `run_\u0000${good.slice(5)}`],
    ['nothing', ''],
  ])('has one form: not %s', (_name, text) => {
    expect(isId('run', text)).toBe(false);
  });
});
