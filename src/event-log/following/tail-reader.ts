import { hasCode } from '../../errors/app-error.js';
import type { LogPage } from '../event-log.js';
import { LogLost } from '../log-lost.js';
import { type Continuation, type LogPlace, type LogStore, READ_SIZE } from '../log-store.js';
import type { RunTail } from './run-tail.js';
import { SingleFlight } from './single-flight.js';
import type { TailRegistry } from './tail-registry.js';

/** Characters of the newest events that are read for viewers who return all at once. */
const WARM_SIZE = READ_SIZE / 2;
/** Waits while the store cannot be reached, in milliseconds; up to twice as long by chance. */
const AGAIN_MS = 150;

/**
 * Brings what the store has into the tails: whatever the number of viewers, one read of a run at a time, and the
 * same page objects for all of them, since frames are made once a page.
 */
export class TailReader {
  private readonly catchingUp = new Map<string, { again: boolean; done: Promise<void> }>();
  private readonly reads = new SingleFlight<Continuation | 'removed'>();
  private readonly warming = new SingleFlight<LogPage[]>();

  constructor(
    private readonly store: LogStore,
    private readonly tails: TailRegistry,
  ) {}

  /** Reads what follows the end of a held tail. Errors are left to the next look. */
  catchUp(runId: string): Promise<void> {
    const underWay = this.catchingUp.get(runId);
    if (underWay !== undefined) {
      underWay.again = true;
      return underWay.done;
    }
    const task = { again: false, done: Promise.resolve() };
    this.catchingUp.set(runId, task);
    task.done = this.readOn(runId, task);
    return task.done;
  }

  /** Finds out in one question which of the watched logs are not as their tails have them, and reads those. */
  async look(): Promise<void> {
    const watched = [...this.tails.watched()];
    if (watched.length === 0) return;
    const ends = await this.store.ends(watched.map(([runId]) => runId));
    await Promise.all(watched.map(([runId, tail]) => this.compare(runId, tail, ends.get(runId))));
  }

  /**
   * What follows a reader's place: from memory, else from the store. `away`: the store cannot be reached now.
   * @throws LogLost
   */
  async read(runId: string, tail: RunTail, place: LogPlace): Promise<Continuation | 'removed' | 'away'> {
    const recent = tail.after(place, READ_SIZE);
    if (recent !== undefined) return recent;
    try {
      // A read that began before the last bell may not have what the bell was rung for.
      const key = `${runId}.${place.attempt ?? ''}.${place.seq}.${tail.version}`;
      const read = await this.reads.join(key, () => this.store.readAfter(runId, place));
      if (read === 'removed') return read;
      tail.learn({ seq: place.seq, attempt: read.attempt }, read.pages);
      return { ...read, pages: read.pages.filter((page) => page.firstSeq < tail.hiddenFrom) };
    } catch (error) {
      if (hasCode(error, 'unavailable') || hasCode(error, 'storage_full')) return 'away';
      throw error;
    }
  }

  /** Reads the newest events of a run of which nothing is known here. */
  async warm(runId: string): Promise<RunTail> {
    const tail = this.tails.acquire(runId);
    try {
      if (tail.end === undefined) {
        tail.push(await this.warming.join(runId, () => this.store.recent(runId, WARM_SIZE)));
        tail.confirm();
      }
      return tail;
    } finally {
      this.tails.release(runId);
    }
  }

  private async compare(runId: string, tail: RunTail, end: LogPlace | undefined): Promise<void> {
    const known = tail.end;
    const isSame = known !== undefined && known.seq === (end?.seq ?? 0) && known.attempt === end?.attempt;
    if (isSame) tail.confirm();
    else await this.catchUp(runId);
  }

  private async readOn(runId: string, task: { again: boolean }): Promise<void> {
    try {
      for (let more = true; more || task.again;) {
        task.again = false;
        more = await this.readPiece(runId, this.tails.find(runId));
      }
    } finally {
      // At once, so that nobody asks for more of a task that looks no more.
      this.catchingUp.delete(runId);
    }
  }

  /** @returns whether there may be more. */
  private async readPiece(runId: string, tail: RunTail | undefined): Promise<boolean> {
    const place = tail?.end;
    if (tail === undefined || place === undefined) {
      tail?.ring();
      return false;
    }
    try {
      const read = await this.store.readAfter(runId, place);
      if (read === 'removed') tail.drop();
      else tail.push(read.pages);
      tail.confirm();
      return read !== 'removed' && read.pages.length > 0;
    } catch (error) {
      if (error instanceof LogLost && tail.end === place) tail.lost();
      return false;
    }
  }
}

/** How long to wait for a store that cannot be reached, in milliseconds. */
export function awayMs(): number {
  return AGAIN_MS * (1 + Math.random());
}
