import { setTimeout as wait } from 'node:timers/promises';
import { AppError, hasCode } from '../../errors/app-error.js';
import type { LogPage } from '../event-log.js';
import { LogLost } from '../log-lost.js';
import { type PageOutcome, writerKey } from '../log-store.js';
import { addEntries, type Batch, inParts, newBatch } from './batch.js';

/** While so many attempts write, looked at so often, a commit begins so long after the last one (milliseconds). */
const MANY_WRITERS = 8;
const LOOK_MS = 50;
const GAP_MS = 1;

/** Waits before a commit is tried again, in milliseconds: doubled each time up to the last, less a random part. */
const FIRST_WAIT_MS = 50;
const LAST_WAIT_MS = 1_000;

export interface GroupCommitOptions {
  /** Where pages go; may be asked again with the same pages after AppError `unavailable`. */
  insert: (pages: readonly LogPage[]) => Promise<ReadonlyMap<string, PageOutcome>>;
  /** Told what is durable and to be shown. */
  publish: (pages: LogPage[]) => void;
  /** For how long commits are tried again while the store cannot be reached, in milliseconds. */
  holdMs: number;
  delay?: (milliseconds: number) => Promise<void>;
  /** Milliseconds of a clock that only grows. */
  clock?: () => number;
}

/**
 * Turns what many runs append into few commits: all that arrives in one turn of the event loop, while a commit is
 * under way or, while many runs write, in the millisecond after it, is written together. What comes after a pause
 * is written at once.
 */
export class GroupCommit {
  private batches = new Map<string, Batch>();
  /** Attempts of which a page is missing, with the error: a later page would leave a hole. */
  private readonly broken = new Map<string, unknown>();
  private running = false;
  private endedAt = -Infinity;
  /** Who has written since the last look. */
  private readonly writers = new Set<string>();
  private lookedAt = -Infinity;
  private isBusy = false;
  /** Since when the store cannot be reached, and when that was seen last. */
  private away: { since: number; seen: number } | undefined;
  private readonly clock: () => number;
  private readonly delay: (milliseconds: number) => Promise<void>;

  constructor(private readonly options: GroupCommitOptions) {
    this.clock = options.clock ?? (() => performance.now());
    this.delay = options.delay ?? ((milliseconds) => wait(milliseconds));
  }

  /**
   * @param shown whether viewers are told as soon as it is durable.
   * @returns when it is durable. Rejects with `fenced` when the attempt is over, with LogLost when the store has
   * lost what came before, and with the error of an earlier page that could not be written.
   */
  add(page: LogPage, shown: boolean): Promise<void> {
    const writer = writerKey(page);
    const key = `${writer}.${shown}`;
    const batch = this.batches.get(key) ?? newBatch(writer, shown);
    this.batches.set(key, batch);
    addEntries(batch, page);
    this.schedule();
    return batch.committed;
  }

  /** Nobody writes for this attempt any more. */
  forget(runId: string, attempt: number): void {
    this.broken.delete(writerKey({ runId, attempt }));
  }

  private schedule(): void {
    if (this.running) return;
    this.running = true;
    const begin = (): void => void this.commitAll();
    if (this.isBusy && this.clock() - this.endedAt < GAP_MS) setTimeout(begin, GAP_MS);
    else setImmediate(begin);
  }

  private async commitAll(): Promise<void> {
    while (this.batches.size > 0) {
      const batches = [...this.batches.values()];
      this.batches = new Map();
      for (const { writer } of batches) this.writers.add(writer);
      for (const part of inParts(batches)) await this.commit(this.unbroken(part));
    }
    this.running = false;
    this.endedAt = this.clock();
    if (this.endedAt - this.lookedAt < LOOK_MS) return;
    this.lookedAt = this.endedAt;
    this.isBusy = this.writers.size >= MANY_WRITERS;
    this.writers.clear();
  }

  private unbroken(batches: Batch[]): Batch[] {
    for (const batch of batches) {
      if (this.broken.has(batch.writer)) batch.reject(this.broken.get(batch.writer));
    }
    return batches.filter((batch) => !this.broken.has(batch.writer));
  }

  /** What one run's pages break must not break those of the others: after a failure each run has its own commit. */
  private async commit(batches: Batch[]): Promise<void> {
    if (batches.length === 0) return;
    try {
      const outcomes = await this.insert(batches.flatMap((batch) => batch.pages));
      for (const batch of batches) this.settle(batch, outcomes.get(batch.writer));
    } catch (error) {
      const isShared = batches.length > 1 && !hasCode(error, 'unavailable');
      for (const batch of batches) {
        if (isShared) await this.commit(this.unbroken([batch]));
        else this.fail(batch, error);
      }
    }
  }

  private async insert(pages: readonly LogPage[]): Promise<ReadonlyMap<string, PageOutcome>> {
    for (let longest = FIRST_WAIT_MS; ; longest = Math.min(LAST_WAIT_MS, longest * 2)) {
      const began = this.clock();
      try {
        const outcomes = await this.options.insert(pages);
        this.away = undefined;
        return outcomes;
      } catch (error) {
        if (!hasCode(error, 'unavailable') || this.isAwayTooLong(began)) throw error;
        await this.delay(longest * (0.5 + Math.random() / 2));
      }
    }
  }

  /** One span of time for all commits: a run's lease does not begin again with each of them. */
  private isAwayTooLong(began: number): boolean {
    const { holdMs } = this.options;
    const isSame = this.away !== undefined && began - this.away.seen <= Math.max(holdMs, LAST_WAIT_MS);
    const since = isSame && this.away !== undefined ? this.away.since : began;
    this.away = { since, seen: this.clock() };
    return this.away.seen - since >= holdMs;
  }

  private settle(batch: Batch, outcome: PageOutcome | undefined): void {
    const [first] = batch.pages;
    if (outcome === 'accepted') {
      if (batch.shown) this.options.publish(batch.pages);
      batch.resolve();
    } else if (outcome === 'lost' && first !== undefined) this.fail(batch, new LogLost(first.runId));
    else this.fail(batch, new AppError('fenced', 'Another process has taken this run over.'));
  }

  private fail(batch: Batch, error: unknown): void {
    this.broken.set(batch.writer, error);
    batch.reject(error);
  }
}
