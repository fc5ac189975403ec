import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { gatherMetrics } from '../telemetry/worker-metrics.js';
import { makeWorker } from './make-worker.js';
import { isReport, type Order, type ReadyLine } from './orders.js';

/** Milliseconds before a worker that ended is started again: doubled each time, until one has stayed for `CALM_MS`. */
const PAUSE_MS = { first: 500, most: 30_000 };
const CALM_MS = 60_000;

/**
 * Starts workers that share one port, and each of them again when it ends. It serves nobody itself, so there is little
 * of which it could die; the runs of a worker that died are taken over by the others, as between machines.
 */
export class Supervisor {
  private readonly readyAt = new WeakMap<Worker, number>();
  private started = false;
  private ending = false;
  private failed = false;
  private pauseMs = PAUSE_MS.first;

  constructor(
    private readonly count: number,
    private readonly log: Logger,
  ) {}

  /**
   * Resolves when all workers take connections. The first one starts alone: it makes the tables, and what is wrong
   * with the settings is said once.
   * @returns what the first worker says of itself.
   * @throws EADDRINUSE, of which the kernel says nothing where workers share a port out among themselves.
   */
  async start(port: number, host: string): Promise<ReadyLine[]> {
    const env = { PORT: String(await freePort(port, host)) };
    gatherMetrics();
    this.endWithSignals();
    cluster.on('exit', (worker, code, signal) => this.mourn(worker, env, signal ?? code));
    const lines = await this.fork(env);
    this.started = true;
    if (this.ending) return lines;
    await Promise.all(Array.from({ length: this.count - 1 }, () => this.fork(env)));
    return [...lines, ['workers', `${this.count} processes under ${process.pid}`]];
  }

  /** Resolves when the worker is ready; one that ends before is mourned. */
  private async fork(env: { PORT: string }): Promise<ReadyLine[]> {
    const worker = await makeWorker({
      fork: () => cluster.fork(env),
      onFailure: (err, again_in_ms) => this.log.error({ err, again_in_ms }, 'A worker could not be made'),
      isWanted: () => !this.ending,
    });
    if (worker === undefined) return [];
    const { promise, resolve } = Promise.withResolvers<ReadyLine[]>();
    // Of a worker that has just died: nobody listening, it would end this process.
    worker.on('error', (err) => this.log.warn({ err, worker_pid: worker.process.pid }, 'A worker is lost'));
    worker.on('message', (message: unknown) => {
      if (!isReport(message)) return;
      this.readyAt.set(worker, performance.now());
      // What it was told before it could listen is lost.
      if (this.ending) tell(worker, { agentline: 'end' });
      resolve(message.lines);
    });
    return promise;
  }

  private mourn(worker: Worker, env: { PORT: string }, how: string | number): void {
    if (this.ending || !this.started) {
      // A first worker that cannot start has said why.
      this.failed ||= how !== 0;
      if (living().length === 0) process.exit(this.failed ? 1 : 0);
      return;
    }
    const stayedMs = performance.now() - (this.readyAt.get(worker) ?? performance.now());
    this.pauseMs = stayedMs > CALM_MS ? PAUSE_MS.first : Math.min(PAUSE_MS.most, this.pauseMs * 2);
    this.log.error({ worker_pid: worker.process.pid, how, again_in_ms: this.pauseMs }, 'A worker ended');
    setTimeout(() => {
      if (!this.ending) void this.fork(env);
    }, this.pauseMs);
  }

  private endWithSignals(): void {
    const end = (signal: NodeJS.Signals) => {
      // Whoever asks twice does not want to wait for the runs.
      const order: Order = { agentline: this.ending ? 'end now' : 'end' };
      this.ending = true;
      this.log.info(`${signal}: telling ${this.count} workers to ${order.agentline}`);
      const workers = living();
      for (const worker of workers) tell(worker, order);
      if (workers.length === 0) process.exit(0);
    };
    process.on('SIGTERM', end);
    process.on('SIGINT', end);
  }
}

function living(): Worker[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) =>
    worker?.isDead() === false ? [worker] : [],
  );
}

function tell(worker: Worker, order: Order): void {
  if (worker.isConnected()) worker.send(order);
}

/** The port when nobody listens on it, any free one for 0. */
async function freePort(port: number, host: string): Promise<number> {
  const server = createServer().listen({ port, host });
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}
