import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderWith, freePort, StoreProcess } from '../store-process.mjs';

/** A Redis of the machine's own program, in a temporary folder, on a free port of the loopback. */
export class RedisServer {
  /** @throws {Error} that names the package to install when the machine has no Redis. */
  static async start(options = {}) {
    const folder = folderWith(['redis-server']);
    if (folder === undefined)
      throw new Error('There is no Redis on this machine: apt-get install redis-server, and ask again.');
    const server = new RedisServer(join(folder, 'redis-server'), await freePort(), options);
    try {
      await server.launch();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  constructor(program, port, { appendonly = 'yes', appendfsync = 'everysec', settings = [] }) {
    this.program = program;
    this.port = port;
    this.settings = ['--appendonly', appendonly, '--appendfsync', appendfsync, ...settings];
    this.folder = mkdtempSync(join(tmpdir(), 'agentline-redis-'));
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  get output() {
    return this.process?.output ?? '';
  }

  async launch() {
    const address = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    this.process = await StoreProcess.start(this.program, [...address, '--save', '', ...this.settings], {
      cwd: this.folder,
      ready: 'Ready to accept connections',
    });
  }

  /** Ends it as an operator does. What is kept is in the folder, and found again by `restart`. */
  async shutDown() {
    this.process?.resume();
    await this.process?.end('SIGTERM', 'SIGKILL');
  }

  /** Kills it as a power cut would. */
  async crash() {
    await this.process?.crash();
  }

  /** Starts it (again) on its port: with what it has kept, or with nothing. */
  async restart({ empty = false } = {}) {
    await this.shutDown();
    if (empty) {
      for (const name of readdirSync(this.folder))
        rmSync(join(this.folder, name), { recursive: true, force: true });
    }
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
