import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';

/** A terminal in an empty folder: commands are typed one after the other, and `cd` is remembered. */
export class TerminalOfNewcomer {
  /** What was written by all commands. */
  log;
  folder;
  running;

  constructor(folder, variables) {
    this.folder = folder;
    this.log = join(folder, 'terminal.log');
    this.place = join(folder, 'place');
    writeFileSync(this.log, '');
    this.env = { ...plainEnvironment(), TMPDIR: folder, ...variables };
  }

  /**
   * @param seen told of everything that is written, as it comes
   * @throws Error when the command fails
   */
  async type(command, seen = () => {}) {
    const script = `trap 'pwd > "${this.place}"' EXIT\n${command}`;
    const child = spawn('bash', ['-c', script], {
      cwd: this.folder,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.running = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        appendFileSync(this.log, text);
        seen(text);
      });
    }
    const [code] = await once(child, 'close');
    this.running = undefined;
    if (code !== 0)
      throw new Error(`\`${command}\` ended with ${code}:\n${readFileSync(this.log, 'utf8').slice(-2_000)}`);
    this.folder = readFileSync(this.place, 'utf8').trim();
  }

  /** Ends what runs, with all that it has started. */
  end() {
    if (this.running?.pid !== undefined) process.kill(-this.running.pid, 'SIGKILL');
  }
}

/** That of the shell in which `npm run newcomer` was typed: without what npm and this checkout add. */
function plainEnvironment() {
  const { PATH = '', HOME = '', LANG = 'C.UTF-8' } = process.env;
  const own = PATH.split(delimiter).filter((part) => !/node_modules|node-gyp-bin/.test(part));
  return { PATH: own.join(delimiter), HOME, LANG };
}
