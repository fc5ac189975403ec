import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/build.js';

/** A test as a document names it: `` `path` › title ``. */
export interface NamedTest {
  file: string;
  title: string;
}

/** The tests that stand in one cell of a table. */
export function testsIn(cell: string): NamedTest[] {
  return cell.split('<br>').map((test) => {
    const [, file = test, title = ''] = /^`([^`]+)` › (.+)$/.exec(test.trim()) ?? [];
    return { file, title };
  });
}

/** Whether the file has a test, or a group of them, of this title, in any of the quotes. */
export function exists({ file, title }: NamedTest): boolean {
  const path = join(ROOT, file);
  if (title === '' || !existsSync(path)) return false;
  const source = readFileSync(path, 'utf8');
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`));
}
