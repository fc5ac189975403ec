import { open } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { type ConnectionKey, connectionKey, unansweredConnections } from './tcp-table.js';

const TABLES = process.platform === 'linux' ? ['/proc/net/tcp', '/proc/net/tcp6'] : [];

/** The kernel hands out a page at a time, however large the room. */
const READ_BYTES = 16_384;

/** Reasons for which a file cannot be opened now, though it may be at the next look. */
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * @returns milliseconds between two looks: with HEARTBEAT_MS 15000 a peer that was up to about 100 ms away is freed
 * within 45 s. The kernel waits longer for an answer from one that is farther.
 */
export function lookPeriod(heartbeatMs: number): number {
  return Math.max(heartbeatMs / 2, 1_000);
}

/**
 * Frees connections whose peer vanished without a word (its machine is off, its cable cut) while nothing but
 * heartbeats was sent to them. A heartbeat never fails then: it goes into the kernel's buffer, the kernel sends it
 * again and again, and gives up after about a quarter of an hour. TCP_USER_TIMEOUT (RFC 5482) would set that time,
 * but Node.js does not offer it, so the kernel's own count of unanswered retransmissions is read from its table.
 *
 * Linux only; elsewhere, and where the table cannot be read, it does nothing and the kernel's time holds.
 */
export class LostPeers {
  private readonly sockets = new Map<ConnectionKey, Socket>();
  private readonly tables: Set<string>;
  private timer: NodeJS.Timeout | undefined;
  private isLooking = false;

  /**
   * @param periodMs between two looks; there are none while no connection is watched.
   * @param onUnreadable called at most once, when no table can be read, with the reason. No look follows.
   */
  constructor(
    private readonly periodMs: number,
    private readonly onUnreadable: (reason: unknown) => void = () => {},
    tables: readonly string[] = TABLES,
  ) {
    this.tables = new Set(tables);
  }

  /** @returns to be called when the socket need not be watched any more, also when it is closed. */
  watch(socket: Socket): () => void {
    const key = this.tables.size === 0 ? undefined : connectionKey(socket);
    if (key === undefined) return () => {};
    this.sockets.set(key, socket);
    this.schedule();
    return () => {
      if (this.sockets.get(key) === socket) this.sockets.delete(key);
      if (this.sockets.size === 0) this.unschedule();
    };
  }

  /** Reads the tables once. */
  async look(): Promise<void> {
    this.unschedule();
    this.isLooking = true;
    for (const table of this.tables) await this.read(table);
    this.isLooking = false;
    this.schedule();
  }

  private schedule(): void {
    if (this.timer !== undefined || this.isLooking) return;
    if (this.sockets.size === 0 || this.tables.size === 0) return;
    this.timer = setTimeout(() => void this.look(), this.periodMs).unref();
  }

  private unschedule(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async read(table: string): Promise<void> {
    try {
      for await (const rows of wholeLines(table)) this.free(unansweredConnections(rows));
    } catch (error) {
      if (PASSING.has(String((error as NodeJS.ErrnoException).code))) return;
      this.tables.delete(table);
      if (this.tables.size === 0) this.onUnreadable(error);
    }
  }

  /** With a reset: what the kernel still holds for such a peer is of no use to anybody. */
  private free(keys: ConnectionKey[]): void {
    for (const key of keys) {
      const socket = this.sockets.get(key);
      if (socket && !socket.destroyed && !socket.writableEnded) socket.resetAndDestroy();
    }
  }
}

async function* wholeLines(path: string): AsyncGenerator<string, void> {
  const file = await open(path);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let begun = '';
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      const text = begun + buffer.toString('latin1', 0, bytesRead);
      const end = text.lastIndexOf('\n') + 1;
      begun = text.slice(end);
      yield text.slice(0, end);
    }
  } finally {
    await file.close();
  }
}
