import { expect } from '@jest/globals';

/** Stands in a page for what is different each time. */
const ANYTHING = '…';

/** What a page shows of an output; `…` stands for anything in its line, alone for any number of lines. */
export function expectOutput(actual: string, shown: string): void {
  const lines = shown.trim().split('\n');
  const written = actual.replaceAll('\r\n', '\n');
  if (fits(written, lines)) return;
  const wrong = lines.findIndex((_, index) => !fits(written, [...lines.slice(0, index + 1), ANYTHING]));
  const what = wrong < 0 ? 'more was written than is shown' : `not written: ${lines[wrong]}`;
  throw new Error(`${what}\n\nWritten was:\n${actual}`);
}

function fits(actual: string, lines: string[]): boolean {
  const pattern = lines.map((line) =>
    line === ANYTHING
      ? String.raw`(?:[^\n]*\n)*?`
      : `${line
          .split(ANYTHING)
          .map(literal)
          .join(String.raw`[^\n]*?`)}\n`,
  );
  return new RegExp(`^${pattern.join('')}$`).test(`${actual.trim()}\n`);
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** The JSON of a page: `"…"` is any value, text with `…` in it any such text, the field `"…"` any other fields. */
export function expectJson(actual: string, shown: string): void {
  expect(JSON.parse(actual)).toEqual(pattern(JSON.parse(shown)));
}

function pattern(shown: unknown): unknown {
  if (shown === ANYTHING) return expect.anything();
  if (typeof shown === 'string' && shown.includes(ANYTHING)) {
    const parts = shown.split(ANYTHING).map(literal);
    return expect.stringMatching(new RegExp(`^${parts.join('[^]*')}$`));
  }
  if (Array.isArray(shown)) {
    const items = shown.filter((item) => item !== ANYTHING).map(pattern);
    return items.length === shown.length ? items : expect.arrayContaining(items);
  }
  if (typeof shown !== 'object' || shown === null) return shown;
  const fields = Object.entries(shown).filter(([name]) => name !== ANYTHING);
  const values = Object.fromEntries(fields.map(([name, value]) => [name, pattern(value)]));
  return ANYTHING in shown ? expect.objectContaining(values) : values;
}
