import type { Duplex } from 'node:stream';

const PERIOD_MS = 15_000;
const TURN_MS = 100;

/** One timer for all heartbeats: each turn writes those that were added in the same turn of an earlier lap. */
export class Beats {
  private readonly slots: Set<Duplex>[] = Array.from({ length: PERIOD_MS / TURN_MS }, () => new Set());
  private readonly bytes: Buffer;
  private turn = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    setInterval(() => this.advance(), TURN_MS);
    this.turn = now();
  }

  add(socket: Duplex | undefined): void {
    const slot = this.slots[this.turn % this.slots.length];
    if (socket === undefined || slot === undefined) return;
    slot.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => slot.delete(socket));
  }

  /** As many turns as the clock says: timers come late. */
  private advance(): void {
    while (this.turn < now()) {
      this.turn += 1;
      for (const socket of this.slots[this.turn % this.slots.length] ?? []) socket.write(this.bytes);
    }
  }
}

const now = (): number => Math.floor(performance.now() / TURN_MS);
