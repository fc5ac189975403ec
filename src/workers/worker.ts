import cluster from 'node:cluster';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isOrder, type ReadyLine, type Report } from './orders.js';

/**
 * Whether each worker listens for itself and the kernel spreads connections over them (SO_REUSEPORT); elsewhere the
 * supervisor takes all connections and hands them on.
 */
const LISTENS_ITSELF = process.platform === 'linux';

/** Whether this process is one of several that a supervisor has started. */
export const isWorker = cluster.isWorker;

/**
 * Begins to take connections from a port that the other workers take them from too.
 * @throws what the server says when it cannot, `EADDRINUSE` for one.
 */
export async function listenBeside(
  server: Server,
  port: number,
  host: string,
  backlog: number,
): Promise<AddressInfo> {
  const own = LISTENS_ITSELF ? { exclusive: true, reusePort: true } : {};
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog, ...own }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server.address() as AddressInfo;
}

/**
 * Lets the supervisor say when this process ends. Terminals and service managers send their signals to the supervisor
 * and to each worker, so a second one is nobody's impatience here. Without a supervisor a worker ends as it would have.
 */
export function obeySupervisor(end: (why: string) => void): void {
  const { worker } = cluster;
  // Node's own way is to exit at once, in the midst of all runs.
  if (worker) worker.exitedAfterDisconnect = true;
  process.on('disconnect', () => end('the supervisor is gone'));
  process.on('message', (message) => {
    if (!isOrder(message)) return;
    if (message.agentline === 'end now') process.exit(1);
    end(message.agentline);
  });
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

/** Tells the supervisor that connections are taken, and what a person wants to know. */
export function tellReady(lines: ReadyLine[]): void {
  if (process.connected) process.send?.({ agentline: 'ready', lines } satisfies Report);
}
