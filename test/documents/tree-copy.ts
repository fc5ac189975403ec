import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from '../support/build.js';
import { within } from '../support/until.js';

/** What a fresh clone does not have, and what is of no use in a copy. */
const LEFT_OUT = new Set(['.git', '.data', '.env', 'coverage', 'dist', 'node_modules']);

export interface Ending {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The checkout as a fresh clone after `npm ci`, in a folder of its own: what is tried there changes nothing here. */
export class TreeCopy {
  readonly folder = mkdtempSync(join(tmpdir(), 'agentline-copy-'));
  /** `TMPDIR` of everything that runs in the copy. */
  readonly temporary = join(this.folder, '.tmp');
  private readonly running = new Set<ChildProcess>();

  constructor() {
    for (const name of readdirSync(ROOT)) {
      if (!LEFT_OUT.has(name)) cpSync(join(ROOT, name), join(this.folder, name), { recursive: true });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(this.folder, 'node_modules'));
    mkdirSync(this.temporary);
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  write(path: string, text: string): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Runs a command in the copy, with a plain environment, to its end. */
  async run(command: string[], env: Record<string, string> = {}, ms = 60_000): Promise<Ending> {
    const ending: Ending = { code: null, stdout: '', stderr: '' };
    const child = this.start(command, env);
    child.stdout?.on('data', (chunk: Buffer) => (ending.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (ending.stderr += chunk.toString()));
    [ending.code] = (await within(ms, command.join(' '), once(child, 'close'))) as [number | null];
    return ending;
  }

  /** Starts a command in the copy in a process group of its own, so that `remove` can end all of it. */
  start(command: string[], env: Record<string, string> = {}): ChildProcess {
    const [program = '', ...args] = command;
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { PATH, HOME, TMPDIR: this.temporary, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.running.add(child);
    child.once('close', () => this.running.delete(child));
    return child;
  }

  remove(): void {
    for (const { pid } of this.running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
