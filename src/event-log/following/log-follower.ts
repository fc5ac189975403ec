import type { LogPage } from '../event-log.js';
import { lastSeq } from '../log-page.js';
import { LogLost } from '../log-lost.js';
import { type Continuation, type LogPlace, READ_SIZE } from '../log-store.js';
import type { RunTail } from './run-tail.js';
import { awayMs, type TailReader } from './tail-reader.js';
import { Waiter } from './waiter.js';

/** The log that is followed, for one of its readers. */
export interface FollowedLog {
  readonly reader: TailReader;
  /** Takes the run's tail, which the reader then counts at. */
  watch(runId: string): RunTail;
  unwatch(runId: string, tail: RunTail): void;
  /** A reader here waits for what others write. */
  expect(runId: string): void;
}

type Batch = IteratorResult<LogPage[], void>;
const OVER: Batch = { done: true, value: undefined };

/**
 * One reader of a run's log, as `EventLog.follow` says. An iterator and no generator: of those each batch takes
 * several promises more, and every viewer of every run has one. It is asked for one batch at a time.
 */
export class LogFollower implements AsyncIterableIterator<LogPage[], void> {
  private place: LogPlace;
  private held: { tail: RunTail; waiter: Waiter } | undefined;
  private epoch = 0;
  private isOver = false;

  constructor(
    private readonly runId: string,
    after: number,
    private readonly signal: AbortSignal,
    private readonly log: FollowedLog,
  ) {
    this.place = { seq: after };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Batch> {
    if (this.isOver && this.held === undefined) return OVER;
    try {
      const { tail, waiter } = (this.held ??= this.begin());
      while (!this.isOver && !this.signal.aborted && !tail.isRemoved) {
        if (tail.epoch !== this.epoch && this.place.seq > 0) throw new LogLost(this.runId);
        const { version } = tail;
        // Memory is asked first, without a promise: that is where nearly all of nearly every run comes from.
        const read =
          tail.after(this.place, READ_SIZE) ?? (await this.log.reader.read(this.runId, tail, this.place));
        if (read === 'removed' || this.isOver) break;
        const isAway = read === 'away';
        if (!isAway && this.take(read, tail)) {
          // Who has given up meanwhile reads it again, from where it was.
          if (this.signal.aborted) break;
          return { done: false, value: read.pages };
        }
        this.log.expect(this.runId);
        await tail.changed(version, waiter, isAway ? awayMs() : undefined);
      }
    } catch (error) {
      this.end();
      throw error;
    }
    this.end();
    return OVER;
  }

  async return(): Promise<Batch> {
    this.end();
    return OVER;
  }

  private begin(): { tail: RunTail; waiter: Waiter } {
    const tail = this.log.watch(this.runId);
    this.epoch = tail.epoch;
    return { tail, waiter: new Waiter(this.signal) };
  }

  /** Moves behind what was read. @returns whether that is anything. */
  private take({ attempt, pages }: Continuation, { epoch }: RunTail): boolean {
    this.epoch = epoch;
    const last = pages.at(-1);
    this.place = last === undefined ? { seq: this.place.seq, attempt } : endOfPage(last);
    this.isOver = last?.entries.at(-1)?.type === 'done';
    return last !== undefined;
  }

  private end(): void {
    this.isOver = true;
    const { held } = this;
    this.held = undefined;
    if (held === undefined) return;
    held.waiter.stop();
    held.tail.leave(held.waiter);
    held.waiter.wake();
    this.log.unwatch(this.runId, held.tail);
  }
}

function endOfPage(page: LogPage): LogPlace {
  return { seq: lastSeq(page), attempt: page.attempt };
}
