import { AppError } from '../../errors/app-error.js';
import { formatEventId } from '../event-id.js';
import type { LogEntry, LogEnd, LogWriter } from '../event-log.js';
import type { RunEvent } from '../run-event.js';

/** What a writer needs of the log that it writes to. */
export interface WriterTarget {
  commit(firstSeq: number, entries: LogEntry[]): Promise<void>;
  /** As `commit`, but viewers are not told before `show`. */
  commitHidden(firstSeq: number, entries: LogEntry[]): Promise<void>;
  show(): void;
  /** Something was refused: this attempt writes nothing more. */
  refused(reason: unknown): void;
  release(): void;
}

/** Counts `seq` for one attempt of a run. After the first refused append every further one is refused too. */
export class PagedLogWriter implements LogWriter {
  pending = 0;
  private seq: number;
  private lastAttempt: number;
  private readonly refusal = new AbortController();
  private last: Promise<void> = Promise.resolve();
  private closed = false;
  private ended = false;

  constructor(
    private readonly runId: string,
    private readonly attempt: number,
    end: LogEnd | undefined,
    private readonly target: WriterTarget,
  ) {
    this.seq = end?.seq ?? 0;
    this.lastAttempt = end?.attempt ?? attempt;
  }

  get refused(): AbortSignal {
    return this.refusal.signal;
  }

  get lastSeq(): number {
    return this.seq;
  }

  get lastEventId(): string | null {
    if (this.seq === 0) return null;
    return formatEventId({ runId: this.runId, attempt: this.lastAttempt, seq: this.seq });
  }

  append(...events: RunEvent[]): Promise<void> {
    return this.write(events, false);
  }

  flushed(): Promise<void> {
    return this.last;
  }

  async end(event: RunEvent & { type: 'done' }, settle: () => Promise<void>): Promise<void> {
    await this.last;
    const written = this.write([event], true);
    this.ended = true;
    try {
      await written;
      await settle();
    } finally {
      // Once it is durable, readers elsewhere have it already: those who wait here must not wait for ever.
      this.target.show();
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const release = () => this.target.release();
    this.last.then(release, release);
  }

  private write(events: RunEvent[], hidden: boolean): Promise<void> {
    if (this.refused.aborted) return refuse(this.refused.reason);
    if (this.ended) return refuse(new AppError('fenced', 'Nothing follows the last event of a run.'));
    let size = 0;
    const entries = events.map(({ type, data }): LogEntry => {
      const text = JSON.stringify(data);
      size += text.length;
      return { type, data: text };
    });
    const firstSeq = this.seq + 1;
    this.seq += entries.length;
    this.lastAttempt = this.attempt;
    this.pending += size;
    this.last = hidden ? this.target.commitHidden(firstSeq, entries) : this.target.commit(firstSeq, entries);
    const durable = (): void => void (this.pending -= size);
    this.last.then(durable, this.onRefused);
    return this.last;
  }

  private readonly onRefused = (error: unknown): void => {
    this.refusal.abort(error);
    this.target.refused(error);
  };
}

/** A rejected promise that need not be awaited. */
function refuse(reason: unknown): Promise<void> {
  const refused = Promise.reject(reason);
  refused.catch(() => undefined);
  return refused;
}
