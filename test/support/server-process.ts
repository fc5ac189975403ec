import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildOnce, ROOT } from './build.js';
import { TEST_ENV } from './test-env.js';
import { until, within } from './until.js';

/** As in `npm run start:prod`. */
const NODE_OPTIONS = [
  '--max-semi-space-size=32',
  '--initial-old-space-size=128',
  '--heap-growing-percent=30',
];

/** A start takes about one second; a machine that does other things too may take longer. */
const READY_MS = 30_000;

export interface ServerOptions {
  /** Variables beside those of `TEST_ENV`; undefined takes one away. */
  env?: Record<string, string | undefined>;
  /** Program and arguments, when not what `npm run start:prod` runs. */
  command?: [string, ...string[]];
  /** A folder of another server; it is then not removed at the end. */
  dataDir?: string;
  /** Whether to wait until `/health/ready` answers 200. */
  ready?: boolean;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One server in a process of its own, on its own folder and port; it may die and come back. */
export class ServerProcess {
  stdout = '';
  stderr = '';
  exited: Promise<Exit> = Promise.resolve({ code: null, signal: null });
  private child: ChildProcess | undefined;
  private gone = true;

  private constructor(
    private readonly options: ServerOptions,
    readonly dataDir: string,
    readonly port: number,
  ) {}

  static async start(options: ServerOptions = {}): Promise<ServerProcess> {
    await buildOnce();
    const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'agentline-test-'));
    const server = new ServerProcess(options, dataDir, await freePort());
    LIVE.add(server);
    await server.restart();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  /** Starts the process (again) on the same folder and port, and waits until it is ready. */
  async restart(): Promise<void> {
    this.launch();
    if (this.options.ready !== false) await this.becomesReady();
  }

  /** Starts the process (again) and does not wait. */
  launch(): void {
    const [program, ...args] = this.options.command ?? [process.execPath, ...NODE_OPTIONS, 'dist/main.js'];
    this.stdout = '';
    this.stderr = '';
    this.gone = false;
    const child = spawn(program, args, {
      cwd: ROOT,
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: this.options.command !== undefined,
    });
    this.child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.gone = true;
      return { code, signal };
    });
  }

  async becomesReady(): Promise<void> {
    const isReady = async () => {
      if (this.gone) throw new Error(`the server ended: ${this.stdout}${this.stderr}`);
      return this.isReady();
    };
    await until('the server to be ready', isReady, READY_MS);
  }

  /** Whether `/health/ready` answers 200 right now. */
  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/health/ready`)).status === 200;
    } catch {
      return false;
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Kills the process as a power cut would, and waits until it is gone. */
  async crash(): Promise<void> {
    this.kill('SIGKILL');
    await this.exited;
  }

  /** Resident memory of the process in bytes (Linux). */
  rssBytes(): number {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes) * 1024;
  }

  /** Ends the process and removes its folder. */
  async stop(): Promise<void> {
    LIVE.delete(this);
    this.killAll();
    await within(10_000, 'the server process to end', this.exited);
    if (this.options.dataDir === undefined) rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Also what the command has started, when it is not the server itself. */
  killAll(): void {
    if (this.gone || this.child?.pid === undefined) return;
    process.kill(this.options.command === undefined ? this.child.pid : -this.child.pid, 'SIGKILL');
  }

  private environment(): NodeJS.ProcessEnv {
    const { PATH, HOME, TMPDIR } = process.env;
    const own = { PORT: String(this.port), HOST: '127.0.0.1', DATA_DIR: this.dataDir };
    return { PATH, HOME, TMPDIR, ...TEST_ENV, ...own, ...this.options.env };
  }
}

const LIVE = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of LIVE) server.killAll();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
