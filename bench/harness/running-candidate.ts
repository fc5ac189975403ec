import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import type { Descriptor, Place } from './candidate.ts';
import { Child } from './children.ts';
import type { CpuTime, MemoryUse } from './process-probe.ts';

const READY_MS = 60_000;
const PROBE = new URL('process-probe.ts', import.meta.url).href;

/** A candidate in a process of its own, ready to be asked. */
export class RunningCandidate {
  readonly descriptor: Descriptor;
  readonly moduleUrl: string;
  readonly port: number;
  readonly child: Child;
  prepared: unknown;
  private readonly folder: string;

  private constructor(descriptor: Descriptor, moduleUrl: string, port: number, child: Child, folder: string) {
    this.descriptor = descriptor;
    this.moduleUrl = moduleUrl;
    this.port = port;
    this.child = child;
    this.folder = folder;
  }

  static async start(
    descriptor: Descriptor,
    moduleUrl: string,
    place: Omit<Place, 'port' | 'folder'>,
  ): Promise<RunningCandidate> {
    const folder = mkdtempSync(join(tmpdir(), 'agentline-bench-'));
    const port = await freePort();
    const { args, env, cwd } = descriptor.start({ ...place, port, folder });
    const { PATH, HOME, TMPDIR } = process.env;
    const child = new Child(['--import', PROBE, ...args], {
      env: { PATH, HOME, TMPDIR, NODE_ENV: 'production', ...env },
      cwd: cwd ?? folder,
    });
    const candidate = new RunningCandidate(descriptor, moduleUrl, port, child, folder);
    try {
      await candidate.becomesReady();
      candidate.prepared = await descriptor.prepare?.(candidate.url);
      return candidate;
    } catch (error) {
      await candidate.stop();
      throw error;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** CPU time since the start in microseconds, user and system, of all threads. */
  async cpu(): Promise<number> {
    const { user, system } = await this.child.calls.ask<CpuTime>('cpu');
    return user + system;
  }

  /** After two garbage collections. */
  memory(): Promise<MemoryUse> {
    return this.child.calls.ask<MemoryUse>('memory');
  }

  memoryNow(): Promise<MemoryUse> {
    return this.child.calls.ask<MemoryUse>('memoryNow');
  }

  async stop(): Promise<void> {
    await this.child.end();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  private async becomesReady(): Promise<void> {
    const { name, readyPath = '/ready' } = this.descriptor;
    const end = performance.now() + READY_MS;
    while (performance.now() < end) {
      if (this.child.isOver) throw new Error(`${name} ended before it was ready: ${this.child.said}`);
      if (await isOk(this.url + readyPath)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} is not ready after ${READY_MS} ms: ${this.child.said}`);
  }
}

async function isOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    // Nobody listens yet.
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
