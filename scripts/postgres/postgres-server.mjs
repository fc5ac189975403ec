import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const DEBIAN_HOME = '/usr/lib/postgresql';
const START_MS = 30_000;
const STOP_MS = 10_000;
/** For tests: what a power failure would lose is of no interest. */
const SETTINGS = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200'];

/** A PostgreSQL of the machine's own binaries, in a temporary folder, on a free port of the loopback. */
export class PostgresServer {
  output = '';

  /** @throws {Error} that names the package to install when the machine has no PostgreSQL. */
  static async start() {
    const server = new PostgresServer(findBinaries());
    try {
      await server.launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  constructor(binaries) {
    this.binaries = binaries;
    // PostgreSQL refuses to run as root.
    this.account = process.getuid() === 0 ? accountOf('postgres') : {};
    this.folder = mkdtempSync(join(tmpdir(), 'agentline-postgres-'));
    if (this.account.uid !== undefined) chownSync(this.folder, this.account.uid, this.account.gid);
  }

  get url() {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  async launch() {
    const data = join(this.folder, 'data');
    const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N'];
    execFileSync(join(this.binaries, 'initdb'), options, {
      ...this.account,
      cwd: this.folder,
      stdio: 'pipe',
    });
    this.port = await freePort();
    const address = ['-p', String(this.port), '-k', this.folder, '-c', 'listen_addresses=127.0.0.1'];
    const settings = SETTINGS.flatMap((setting) => ['-c', setting]);
    this.child = spawn(join(this.binaries, 'postgres'), ['-D', data, ...address, ...settings], {
      ...this.account,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text));
    }
    await this.becomesReady();
  }

  async becomesReady() {
    const deadline = performance.now() + START_MS;
    while (!this.output.includes('ready to accept connections')) {
      const hasEnded = this.child.exitCode !== null || this.child.signalCode !== null;
      if (hasEnded || performance.now() > deadline)
        throw new Error(`PostgreSQL did not start:\n${this.output}`);
      await delay(20);
    }
  }

  /** Ends it in its fast way (https://www.postgresql.org/docs/15/server-shutdown.html) and removes its folder. */
  async stop() {
    if (this.child !== undefined) {
      this.child.kill('SIGINT');
      const late = setTimeout(() => this.child.kill('SIGQUIT'), STOP_MS);
      await this.exited;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function findBinaries() {
  const versions = existsSync(DEBIAN_HOME) ? readdirSync(DEBIAN_HOME) : [];
  const newestFirst = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((v) => join(DEBIAN_HOME, v, 'bin'));
  const folders = [...newestFirst, ...(process.env.PATH ?? '').split(delimiter)];
  const found = folders.find((folder) =>
    ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))),
  );
  if (found !== undefined) return found;
  throw new Error('There is no PostgreSQL on this machine: apt-get install postgresql, and ask again.');
}

function accountOf(name) {
  const id = (kind) => Number(execFileSync('id', [kind, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
