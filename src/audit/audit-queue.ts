import { AppError } from '../errors/app-error.js';
import type { NewAuditRow } from './audit-row.js';

/** Rows that wait: more are not held. */
export const MOST_WAITING = 10_000;
const ROWS_A_COMMIT = 50;
/** Milliseconds between an entry and its commit, when nothing is in the way. */
const GATHER_MS = 40;
const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2_000;

export interface AuditQueueOptions {
  insert: (rows: readonly NewAuditRow[]) => Promise<void>;
  /** Told of rows that are not stored: because there are too many, the store does not take them, or time is over. */
  lose: (rows: readonly NewAuditRow[], reason: unknown) => void;
  /** Aborted by the signal, it may be over or reject. */
  delay: (milliseconds: number, signal?: AbortSignal) => Promise<unknown>;
}

/**
 * Gathers rows for a moment and commits them together, so that nobody waits for them. While the store is away they
 * wait, and are tried again; who hands one in never notices.
 */
export class AuditQueue {
  private waiting: NewAuditRow[] = [];
  private isWorking = false;
  private isClosed = false;
  /** Rows that were handed in, and those of them that are stored or lost. */
  private handedIn = 0;
  private settled = 0;
  private readonly flushes = new Set<{ upTo: number; done: () => void }>();

  constructor(private readonly options: AuditQueueOptions) {}

  add(row: NewAuditRow): void {
    if (this.isClosed) return this.options.lose([row], 'the server has ended');
    if (this.waiting.length >= MOST_WAITING) return this.options.lose([row], 'too many wait');
    this.waiting.push(row);
    this.handedIn += 1;
    if (!this.isWorking) void this.work();
  }

  /** @returns when all that was handed in before is stored or lost, or the time is over. */
  async flush(withinMs: number): Promise<void> {
    if (this.settled >= this.handedIn) return;
    const flush = { upTo: this.handedIn, done: () => {} };
    const flushed = new Promise<void>((resolve) => (flush.done = resolve));
    this.flushes.add(flush);
    const told = new AbortController();
    await Promise.race([flushed, this.options.delay(withinMs, told.signal)]);
    told.abort();
    this.flushes.delete(flush);
  }

  /** Stores what it can within the time; the rest is lost, and so is what comes later. */
  async close(withinMs: number): Promise<void> {
    await this.flush(withinMs);
    this.isClosed = true;
    const rest = this.waiting;
    this.waiting = [];
    if (rest.length > 0) this.options.lose(rest, 'the server ends');
  }

  private async work(): Promise<void> {
    this.isWorking = true;
    await this.options.delay(GATHER_MS);
    let pause = FIRST_WAIT_MS;
    while (this.waiting.length > 0) {
      if (await this.storeNext()) pause = FIRST_WAIT_MS;
      else {
        await this.options.delay(pause);
        pause = Math.min(pause * 2, LAST_WAIT_MS);
      }
    }
    this.isWorking = false;
  }

  /** @returns false when the store is away: what is not settled yet stays. */
  private async storeNext(): Promise<boolean> {
    const rows = this.waiting.slice(0, ROWS_A_COMMIT);
    try {
      await this.options.insert(rows);
    } catch (error) {
      return !mayPass(error) && this.storeEach(rows);
    }
    this.settle(rows.length);
    return true;
  }

  private settle(count: number): void {
    this.waiting.splice(0, count);
    this.settled += count;
    for (const flush of this.flushes) if (this.settled >= flush.upTo) flush.done();
  }

  /** One row that the store does not take must not take the others with it. */
  private async storeEach(rows: readonly NewAuditRow[]): Promise<boolean> {
    for (const row of rows) {
      try {
        await this.options.insert([row]);
      } catch (error) {
        if (mayPass(error)) return false;
        this.options.lose([row], error);
      }
      this.settle(1);
    }
    return true;
  }
}

/** The store is away or full: later it may take them. */
function mayPass(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'unavailable' || error.code === 'storage_full');
}
