import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { until, within } from '../support/until.js';
import type { TreeCopy } from './tree-copy.js';

/** `npm start` in a copy of the tree, as a newcomer starts it; on a free port. */
export class StartedServer {
  output = '';
  url = '';

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static async start(
    copy: TreeCopy,
    env: Record<string, string> = {},
    command = ['npm', 'start'],
  ): Promise<StartedServer> {
    const server = new StartedServer(copy.start(command, { PORT: '0', ...env }));
    server.url = await until('the banner of npm start', () => server.listensOn(), 60_000);
    return server;
  }

  /** SIGTERM to npm itself. @returns its exit code */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const closed = once(this.child, 'close');
    this.child.kill('SIGTERM');
    const [code] = (await within(10_000, 'npm start to end', closed)) as [number | null];
    return code;
  }

  /** Ctrl-C, once or more: a terminal sends it to all that the command has started. */
  async interrupt(times: number): Promise<void> {
    const { pid } = this.child;
    if (this.child.exitCode !== null || pid === undefined) return;
    const closed = once(this.child, 'close');
    const heard = this.output.length;
    for (let pressed = 1; pressed <= times && this.child.exitCode === null; pressed += 1) {
      process.kill(-pid, 'SIGINT');
      const hears = () => this.child.exitCode !== null || this.output.includes('SIGINT', heard);
      await until('the server to hear Ctrl-C', hears);
    }
    await within(30_000, 'npm start to end after Ctrl-C', closed);
  }

  private listensOn(): string | undefined {
    if (this.child.exitCode !== null) throw new Error(`npm start ended: ${this.output}`);
    return /listens on +(\S+)/.exec(this.output)?.[1];
  }
}
