import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, within } from '../until.js';

const PROGRAM = process.env['NGINX_PATH'] ?? '/usr/sbin/nginx';

/** Why a test with nginx cannot run here; undefined when it can. */
export const WITHOUT_NGINX = existsSync(PROGRAM)
  ? undefined
  : `${PROGRAM} is not there: apt-get install nginx-light`;

/** An nginx of the test's own before a server on the loopback, in a folder of its own. */
export class Nginx {
  private output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  /** @param http lines for the `http` block; all that they do not name is as nginx has it by itself. */
  static before(port: number, http: string[]): Promise<Nginx> {
    const server = (own: number) =>
      `server { listen 127.0.0.1:${own}; location / { proxy_pass http://127.0.0.1:${port}; } }`;
    return Nginx.with((own) => [...http, server(own)]);
  }

  /** @param http all lines of the `http` block, for the port where it shall listen. */
  static async with(http: (own: number) => string[]): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'agentline-nginx-'));
    const own = await freePort();
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(folder, http(own)));
    const args = ['-p', folder, '-c', file, '-e', 'stderr'];
    const child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const nginx = new Nginx(child, folder, `http://127.0.0.1:${own}`);
    await until('nginx to listen', () => nginx.listens(own));
    return nginx;
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'close');
    this.child.kill('SIGTERM');
    await within(5_000, 'nginx to end', ended);
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async listens(port: number): Promise<boolean> {
    if (this.child.exitCode !== null) throw new Error(`nginx ended: ${this.output}`);
    const socket = connect(port, '127.0.0.1');
    const first = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return first;
  }
}

function configuration(folder: string, http: string[]): string {
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    'daemon off;',
    'master_process off;',
    `pid ${folder}/nginx.pid;`,
    'events { worker_connections 1024; }',
    'http {',
    'access_log off;',
    ...places.map((name) => `${name}_temp_path ${folder}/${name};`),
    ...http,
    '}',
  ].join('\n');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
