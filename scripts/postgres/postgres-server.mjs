import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { folderWith, freePort, StoreProcess } from '../store-process.mjs';

const DEBIAN_HOME = '/usr/lib/postgresql';
const PROGRAMS = ['initdb', 'postgres'];
/** Shared memory in files of the data folder: a server that is killed leaves nothing behind elsewhere. */
const ALWAYS = ['max_connections=200', 'dynamic_shared_memory_type=mmap'];
/** For tests: what a power failure or a kill would lose is of no interest. */
const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

/** A PostgreSQL of the machine's own binaries, in a temporary folder, on a free port of the loopback. */
export class PostgresServer {
  /** @throws {Error} that names the package to install when the machine has no PostgreSQL. */
  static async start(options = {}) {
    const server = new PostgresServer(findBinaries(), await freePort(), options);
    try {
      server.initialize();
      await server.launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  constructor(binaries, port, { durable = false, settings = [], dataFolder, walFolder }) {
    this.binaries = binaries;
    this.port = port;
    this.settings = [...ALWAYS, ...(durable ? [] : FAST), ...settings];
    // PostgreSQL refuses to run as root.
    this.account = process.getuid() === 0 ? accountOf('postgres') : {};
    this.folder = mkdtempSync(join(tmpdir(), 'agentline-postgres-'));
    this.giveToServer(this.folder);
    this.data = dataFolder ?? join(this.folder, 'data');
    // The write-ahead log is not where the data are: either disk may be full without the other.
    this.wal = walFolder ?? join(this.folder, 'wal');
    for (const given of [dataFolder, walFolder]) if (given !== undefined) this.giveToServer(given);
  }

  get url() {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  get output() {
    return this.process?.output ?? '';
  }

  get isRunning() {
    return this.process?.isRunning ?? false;
  }

  giveToServer(folder) {
    if (this.account.uid !== undefined) chownSync(folder, this.account.uid, this.account.gid);
  }

  initialize() {
    const folders = ['-D', this.data, '-X', this.wal];
    const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N'];
    execFileSync(join(this.binaries, 'initdb'), [...folders, ...options], {
      ...this.account,
      cwd: this.folder,
      stdio: 'pipe',
    });
  }

  async launch() {
    const address = ['-p', String(this.port), '-k', this.folder, '-c', 'listen_addresses=127.0.0.1'];
    const settings = this.settings.flatMap((setting) => ['-c', setting]);
    this.process = await StoreProcess.start(
      join(this.binaries, 'postgres'),
      ['-D', this.data, ...address, ...settings],
      { ...this.account, cwd: this.folder, ready: 'ready to accept connections' },
    );
  }

  /** Ends it in its fast way (https://www.postgresql.org/docs/15/server-shutdown.html). */
  async shutDown() {
    this.process?.resume();
    await this.process?.end('SIGINT', 'SIGQUIT');
  }

  /** Kills it and all it has started as a power cut would. */
  async crash() {
    await this.process?.crash();
  }

  /** Starts it (again) on its port, with its data. */
  async restart() {
    await this.shutDown();
    await this.launch();
  }

  /** From now on it takes connections and bytes, and answers nothing. */
  pause() {
    this.process.pause();
  }

  resume() {
    this.process.resume();
  }

  /** Ends it and removes its folder. */
  async stop() {
    await this.shutDown();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function findBinaries() {
  const versions = existsSync(DEBIAN_HOME) ? readdirSync(DEBIAN_HOME) : [];
  const newestFirst = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((v) => join(DEBIAN_HOME, v, 'bin'));
  const found = folderWith(PROGRAMS, newestFirst);
  if (found !== undefined) return found;
  throw new Error('There is no PostgreSQL on this machine: apt-get install postgresql, and ask again.');
}

function accountOf(name) {
  const id = (kind) => Number(execFileSync('id', [kind, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
