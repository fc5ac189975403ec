import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ROWS } from './rows.js';

const numbers = (letter: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${letter}${n + 1}`);
const textOf = (file: string) => readFileSync(file, 'utf8');

/** Whether a title or the first cell of a table's row says the number. */
function names(text: string, row: string): boolean {
  return new RegExp(`['"\`](?:\\w+, )*${row}\\b`).test(text);
}

describe('the list of security cases and bad inputs', () => {
  it('has every row once, with the answer that is right and a place where it is tried', () => {
    expect(ROWS.map(({ row }) => row)).toEqual([...numbers('S', 51), ...numbers('B', 52)]);
    expect(ROWS.filter(({ expected, proofs }) => expected === '' || proofs.length === 0)).toEqual([]);
  });

  it.each(ROWS.map(({ row, proofs }) => [row, proofs] as const))(
    '%s is tried where it says',
    (row, proofs) => {
      for (const { file, title } of proofs) {
        const text = textOf(file);
        expect([file, title, title === row ? names(text, row) : text.includes(title)]).toEqual([
          file,
          title,
          true,
        ]);
      }
    },
  );

  it('is whole: no row in a table that is not in the list', () => {
    const known = new Set(ROWS.map(({ row }) => row));
    const tables = new Set(
      ROWS.flatMap(({ proofs }) => proofs.map(({ file }) => file)).filter((file) =>
        file.startsWith('test/security'),
      ),
    );
    for (const file of tables)
      for (const [, row = ''] of textOf(file).matchAll(/\[\s*'([SB]\d+)'/g)) expect(known).toContain(row);
  });
});
