import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS = 15_000;
const LOOK_MS = 50;
const LAST_LINES = 20;

/** A server of this checkout with the embedded defaults, in a process and a fresh folder of its own. */
export class DemoServer {
  email = 'demo@localhost';
  password = randomBytes(15).toString('base64url');
  output = '';
  url = '';

  constructor(root) {
    this.root = root;
    this.folder = mkdtempSync(join(tmpdir(), 'agentline-demo-'));
  }

  /** @returns when it is ready. @throws {Error} with what it said when it ends instead. */
  async start(signal) {
    this.child = spawn(process.execPath, [join(this.root, 'dist', 'main.js')], {
      // Not the checkout's folder: a .env there is for `npm start`.
      cwd: this.folder,
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
    }
    while (!(await this.isReady())) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`The server ended while it started.\n${this.lastWords()}`);
      }
      await delay(LOOK_MS, undefined, { signal });
    }
  }

  /** What the server's banner says of a line of it. */
  fact(name) {
    return new RegExp(`^ {2}${name} +(.+)$`, 'm').exec(this.output)?.[1] ?? '';
  }

  /** The line in which the server says why it cannot start, or the end of what it wrote. */
  lastWords() {
    const [reason] = /^Agentline cannot start: .+$/m.exec(this.output) ?? [];
    return reason ?? this.output.trim().split('\n').slice(-LAST_LINES).join('\n');
  }

  /** Ends the server as an operator does, and removes its folder. @throws {Error} when it does not end well. */
  async stop() {
    try {
      if (this.child === undefined) return;
      const running = this.child.exitCode === null && this.child.signalCode === null;
      if (running) this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
      const [code, killedBy] = await this.exited;
      clearTimeout(late);
      if (running && code !== 0) {
        throw new Error(`The server did not end well (${killedBy ?? code}).\n${this.lastWords()}`);
      }
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  async isReady() {
    this.url = this.fact('listens on');
    if (this.url === '') return false;
    try {
      return (await fetch(`${this.url}/health/ready`, { signal: AbortSignal.timeout(5_000) })).ok;
    } catch {
      return false;
    }
  }

  /** The caller's variables without those that set up a server, the model's aside. */
  environment() {
    const example = readFileSync(join(this.root, '.env.example'), 'utf8');
    const settings = [...example.matchAll(/^#? ?([A-Z][A-Z_]+)=/gm)]
      .map(([, name]) => name)
      .filter((name) => !/^(ANTHROPIC_|MODEL)/.test(name));
    const rest = Object.entries(process.env).filter(([name]) => !settings.includes(name));
    return {
      ...Object.fromEntries(rest),
      PORT: '0',
      DATA_DIR: this.folder,
      ADMIN_EMAIL: this.email,
      ADMIN_PASSWORD: this.password,
      LOG_LEVEL: 'warn',
      SHUTDOWN_GRACE_MS: '3000',
    };
  }
}
