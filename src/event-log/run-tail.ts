import type { LogPage } from './event-log.js';
import { lastSeq, pageAfter, pageSize } from './log-page.js';

/** Characters of recent events kept in memory for all viewers of a run together. */
const KEEP = 262_144;

/** The recent events of one run, shared by all who watch it here, and the bell that tells them of new ones. */
export class RunTail {
  private readonly pages: LogPage[] = [];
  private size = 0;
  private nextSeq = 0;
  private waiting = new Set<() => void>();
  /** Grows with every change: a reader that finds nothing waits until it is another. */
  version = 0;

  /** Adds committed events and wakes everybody who waits. */
  push(pages: readonly LogPage[]): void {
    for (const page of pages) {
      // Another process wrote in between: what is here no longer joins what comes.
      if (page.firstSeq !== this.nextSeq) this.clear();
      this.pages.push(page);
      this.size += pageSize(page);
      this.nextSeq = lastSeq(page) + 1;
    }
    if (this.size > KEEP * 1.125) this.forget();
    this.ring();
  }

  /** Many pages at a time: taking them from the front one by one would move all that stay each time. */
  private forget(): void {
    let count = 0;
    for (const page of this.pages.slice(0, -1)) {
      if (this.size <= KEEP) break;
      this.size -= pageSize(page);
      count += 1;
    }
    this.pages.splice(0, count);
  }

  private clear(): void {
    this.pages.length = 0;
    this.size = 0;
  }

  /** The run is gone: nothing of it is kept, and who waits looks into the store, to find nothing. */
  drop(): void {
    this.clear();
    this.ring();
  }

  /** Tells the waiting that the store may have more. */
  ring(): void {
    this.version += 1;
    const woken = this.waiting;
    this.waiting = new Set();
    for (const wake of woken) wake();
  }

  /**
   * Events after `seq` up to about `size` characters, at least one page; undefined when memory does not reach
   * back that far, or knows nothing newer.
   */
  after(seq: number, size: number): LogPage[] | undefined {
    const first = this.pages[0];
    if (first === undefined || first.firstSeq > seq + 1) return undefined;
    const pages: LogPage[] = [];
    let taken = 0;
    for (let index = this.firstIndexAfter(seq); index < this.pages.length && taken < size; index += 1) {
      const page = this.pages[index];
      if (page === undefined) break;
      pages.push(pageAfter(page, seq));
      taken += pageSize(page);
    }
    return pages;
  }

  /** Waits until `version` is not the given one any more, the signal is aborted or `timeoutMs` has passed. */
  changed(version: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.version !== version || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => wake(), timeoutMs);
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.waiting.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake);
      this.waiting.add(wake);
    });
  }

  /** Index of the first page that holds events after `seq`; binary search, since a tail can be long. */
  private firstIndexAfter(seq: number): number {
    let low = 0;
    let high = this.pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const page = this.pages[middle];
      if (page !== undefined && lastSeq(page) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
