import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Ending, TreeCopy } from '../tree-copy.js';

/** Variables that bash makes itself, and may not be set. */
const CARRIED = `declare -p | grep -E '^declare -[-aAix]+ [A-Za-z]' | grep -vE '^declare \\S+ (BASH|DIRSTACK|FUNCNAME|GROUPS|PIPESTATUS|SHLVL|_)'`;

/** The terminal of a page's reader: each block finds the variables and the folder that the ones before it have left. */
export class PageShell {
  private readonly state: string;

  /** @param env what a reader's terminal has from the beginning. */
  constructor(
    private readonly copy: TreeCopy,
    private readonly env: Record<string, string>,
  ) {
    this.state = join(copy.temporary, 'shell-state');
  }

  /** Lines before a text that is run: what was left, and an end at the first failure. */
  get beginning(): string {
    return `set -eu\n[ -f ${this.state} ] && . ${this.state}\n`;
  }

  run(text: string, ms: number): Promise<Ending> {
    const leave = `trap '{ ${CARRIED.replaceAll("'", String.raw`'\''`)}; printf "cd %q\\n" "$PWD"; } > ${this.state}' EXIT\n`;
    return this.copy.run(['bash', '-c', this.beginning + leave + text], this.env, ms);
  }

  /** What was exported, for programs that the page runs without its shell. */
  async exported(): Promise<Record<string, string>> {
    if (!existsSync(this.state) || !/^declare -\w*x/m.test(readFileSync(this.state, 'utf8'))) return this.env;
    const { stdout } = await this.copy.run(['bash', '-c', `${this.beginning}env -0`], this.env);
    return Object.fromEntries(
      stdout
        .split('\0')
        .filter((entry) => entry.includes('='))
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
  }
}
