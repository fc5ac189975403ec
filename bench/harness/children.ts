import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { Calls } from './calls.ts';

const END_MS = 5_000;
const living = new Set<Child>();

/** A process that the bench has started; it ends with the bench, whatever happens. */
export class Child {
  readonly process: ChildProcess;
  readonly calls: Calls;
  /** The last of what it has said on stderr. */
  said = '';
  isOver = false;

  constructor(args: string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}) {
    const child = spawn(process.execPath, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.process = child;
    this.calls = new Calls(child);
    living.add(this);
    child.stderr?.on('data', (chunk: Buffer) => (this.said = (this.said + chunk.toString()).slice(-4_000)));
    child.once('exit', () => {
      this.isOver = true;
      living.delete(this);
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Asks it to end, and ends it when it does not. */
  async end(): Promise<void> {
    if (this.isOver) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), END_MS);
    await exited;
    clearTimeout(late);
  }

  kill(): void {
    if (!this.isOver) this.process.kill('SIGKILL');
  }
}

process.on('exit', () => {
  for (const child of living) child.kill();
});
