import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const START_MS = 30_000;
const STOP_MS = 10_000;
const GONE_MS = 10_000;

/** The server process of a store with all that it has started (Linux), which may be killed, held and let go. */
export class StoreProcess {
  output = '';

  /**
   * Starts a program and waits until it says that it is ready.
   * @throws {Error} with all it said when it ends before that, or takes too long.
   */
  static async start(program, args, { ready, ...options }) {
    const started = new StoreProcess(spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] }));
    try {
      await started.says(ready);
      return started;
    } catch (error) {
      await started.crash();
      throw error;
    }
  }

  constructor(child) {
    this.child = child;
    this.exited = once(child, 'close');
    LIVE.add(this);
    this.exited.finally(() => LIVE.delete(this)).catch(() => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
    }
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The process and those it has started. */
  get pids() {
    return [this.child.pid, ...childrenOf(this.child.pid)];
  }

  async says(text) {
    const deadline = performance.now() + START_MS;
    while (!this.output.includes(text)) {
      if (!this.isRunning || performance.now() > deadline)
        throw new Error(`${this.child.spawnfile} did not start:\n${this.output}`);
      await delay(20);
    }
  }

  /** Asks it to end with one signal, and after a while with another. */
  async end(signal, lateSignal) {
    if (!this.isRunning) return;
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill(lateSignal), STOP_MS);
    await this.exited;
    clearTimeout(late);
  }

  /** Kills all of it as a power cut would, and waits until nothing of it is left. */
  async crash() {
    if (!this.isRunning) return;
    const pids = this.killAll();
    await this.exited;
    const deadline = performance.now() + GONE_MS;
    while (pids.some(isAlive)) {
      if (performance.now() > deadline) throw new Error(`${this.child.spawnfile} cannot be killed`);
      await delay(5);
    }
  }

  /** From now on it takes connections and bytes, and answers nothing. */
  pause() {
    this.send('SIGSTOP');
  }

  resume() {
    this.send('SIGCONT');
  }

  /** Held first: what is held starts nothing more. */
  killAll() {
    sendTo(this.child.pid, 'SIGSTOP');
    const pids = this.pids;
    for (const pid of pids) sendTo(pid, 'SIGKILL');
    return pids;
  }

  send(signal) {
    sendTo(this.child.pid, signal);
    for (const pid of childrenOf(this.child.pid)) sendTo(pid, signal);
  }
}

const LIVE = new Set();
process.on('exit', () => {
  for (const each of LIVE) each.killAll();
});

/** The folder of `folders` and PATH in which all these programs are. */
export function folderWith(names, folders = []) {
  return [...folders, ...(process.env.PATH ?? '').split(delimiter)].find((folder) =>
    names.every((name) => existsSync(join(folder, name))),
  );
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function sendTo(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended by itself.
    if (error.code !== 'ESRCH') throw error;
  }
}

function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => statusOf(each)?.parent === pid);
}

/** A process that has ended stays listed, as a zombie, until its parent has asked for its exit code. */
function isAlive(pid) {
  const status = statusOf(pid);
  return status !== undefined && status.state !== 'Z';
}

/** See proc_pid_stat(5): the name in parentheses may hold blanks and parentheses. */
function statusOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}
