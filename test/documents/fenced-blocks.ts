/** A fenced code block of a Markdown document (CommonMark §4.5). */
export interface FencedBlock {
  /** The info string: bash, js, ts, diff or text. */
  language: string;
  text: string;
}

const BLOCK = /^```(\w*)\n(.*?)^```$/gms;
/** Names the file that a block of TypeScript is, or that a block of changes is about. */
const FILE = /^\/\/ (src\/\S+)\n/;
const CHANGED = /^\+\+\+ (\S+)\n/;

export function blocksOf(document: string): FencedBlock[] {
  return [...document.matchAll(BLOCK)].map(([, language = '', text = '']) => ({ language, text }));
}

/** Where files of a tree are read and written. */
export interface Files {
  read(path: string): string;
  write(path: string, text: string): void;
}

/** Does what the document says: writes its files, makes its changes. @returns the paths, in their order. */
export function applyRecipes(document: string, files: Files): string[] {
  return blocksOf(document).flatMap(({ language, text }) => {
    const written = language === 'ts' ? FILE.exec(text)?.[1] : undefined;
    if (written !== undefined) files.write(written, text.replace(FILE, ''));
    const changed = language === 'diff' ? CHANGED.exec(text)?.[1] : undefined;
    if (changed !== undefined) files.write(changed, change(files.read(changed), text.replace(CHANGED, '')));
    return [written, changed].filter((path) => path !== undefined);
  });
}

/** Each hunk names whole lines: ` ` and `-` are there, in a row; ` ` and `+` come instead. */
function change(text: string, hunks: string): string {
  return hunks.split(/^@@\n/m).reduce((result, hunk) => {
    const lines = hunk.split('\n').filter((line) => line !== '');
    const side = (signs: string) =>
      lines
        .filter((line) => signs.includes(line[0] ?? ''))
        .map((line) => `${line.slice(1)}\n`)
        .join('');
    const before = `\n${side(' -')}`;
    const parts = result.split(before);
    if (parts.length !== 2)
      throw new Error(`stands ${parts.length - 1} times in the file, not once:${before}`);
    return parts.join(`\n${side(' +')}`);
  }, text);
}
