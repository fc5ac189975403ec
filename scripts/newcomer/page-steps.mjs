import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SECTION = /^## /m;
const BLOCK = /^```(bash|ts|diff)\n(.*?)^```$/gms;
const FILE = /^\/\/ (src\/\S+)\n/;
const CHANGED = /^\+\+\+ (\S+)\n/;

/**
 * What a section of a page tells its reader to do: commands to type, and edits to make.
 * @returns {({ kind: 'command', text: string } | { kind: 'edit', make(folder: string): void })[]}
 */
export function stepsOf(page, heading) {
  const section = page.split(SECTION).find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`The page has no section "${heading}".`);
  return [...section.matchAll(BLOCK)].flatMap(([, language, text]) =>
    language === 'bash' ? commandsOf(text) : [{ kind: 'edit', make: editOf(language, text) }],
  );
}

/** A line that ends in a backslash goes on. */
function commandsOf(text) {
  const lines = text.replaceAll('\\\n', '').trim().split('\n');
  return lines.map((line) => ({ kind: 'command', text: line }));
}

function editOf(language, text) {
  const [first, path] = (language === 'ts' ? FILE : CHANGED).exec(text) ?? [];
  if (path === undefined) throw new Error(`This edit names no file:\n${text}`);
  const said = text.slice(first.length);
  return (folder) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, language === 'ts' ? said : changed(readFileSync(file, 'utf8'), said));
  };
}

/** Each hunk names whole lines: ` ` and `-` are there, in a row; ` ` and `+` come instead. */
function changed(text, hunks) {
  return hunks.split(/^@@\n/m).reduce((result, hunk) => {
    const lines = hunk.split('\n').filter((line) => line !== '');
    const side = (signs) =>
      lines
        .filter((line) => signs.includes(line[0]))
        .map((line) => `${line.slice(1)}\n`)
        .join('');
    const parts = result.split(`\n${side(' -')}`);
    if (parts.length !== 2)
      throw new Error(`Stands ${parts.length - 1} times in the file, not once:\n${side(' -')}`);
    return parts.join(`\n${side(' +')}`);
  }, text);
}
