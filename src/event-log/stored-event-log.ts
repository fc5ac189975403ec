import { EventLog, type LogEnd, type LogEntry, type LogPage, type LogWriter } from './event-log.js';
import { type FollowedLog, LogFollower } from './following/log-follower.js';
import { NewsReader } from './following/news-reader.js';
import type { RunTail } from './following/run-tail.js';
import { SingleFlight } from './following/single-flight.js';
import { TailReader } from './following/tail-reader.js';
import { TailRegistry } from './following/tail-registry.js';
import { LogLost } from './log-lost.js';
import { endOf, type LogStore, type ReadNews } from './log-store.js';
import { GroupCommit } from './writing/group-commit.js';
import { PagedLogWriter } from './writing/paged-log-writer.js';

/** How long memory stays for viewers who return, in milliseconds. */
const LINGER_MS = 2_000;
/** How long appends wait for a store that cannot be reached, when nobody says. */
export const HOLD_MS = 10_000;

export interface StoredLogOptions {
  /** Told how many seconds each commit took. */
  onCommit?: (seconds: number) => void;
  /** For how long appends wait while the store cannot be reached, in milliseconds: a lease's duration. */
  holdMs?: number;
  /** Waits between the tries of a commit. */
  delay?: (milliseconds: number) => Promise<void>;
}

/**
 * An event log over a store of pages. What is written here is shown here from memory; what is written elsewhere
 * comes by the hints that the adapter gets, and by a look at intervals, since a hint may be lost.
 */
export abstract class StoredEventLog extends EventLog {
  protected readonly tails = new TailRegistry(LINGER_MS);
  protected readonly reader: TailReader;
  private readonly commits: GroupCommit;
  private readonly followed: FollowedLog;
  private readonly ends = new SingleFlight<LogEnd | undefined>();
  private readonly checks = new SingleFlight<boolean>();
  private looking: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly store: LogStore,
    { onCommit = () => {}, holdMs = HOLD_MS, delay }: StoredLogOptions,
  ) {
    super();
    this.reader = new TailReader(store, this.tails);
    this.followed = {
      reader: this.reader,
      watch: (runId) => this.watch(runId),
      unwatch: (runId, tail) => this.unwatch(runId, tail),
      expect: (runId) => this.expect(runId),
    };
    this.commits = new GroupCommit({
      insert: async (pages) => {
        const began = performance.now();
        const outcomes = await store.insert(pages);
        onCommit((performance.now() - began) / 1000);
        return outcomes;
      },
      publish: (pages) => this.publish(pages),
      holdMs,
      ...(delay && { delay }),
    });
  }

  /** Milliseconds after which watched logs are looked at when nobody has told of them; undefined: never. */
  protected abstract lookAgainMs(): number | undefined;

  /** This run has something new, for those who follow it on other nodes. */
  protected announce(_runId: string): void {}

  /** For an adapter that is told which runs have something new. */
  protected newsOf(readNews: ReadNews): NewsReader {
    return new NewsReader(readNews, this.tails, this.reader);
  }

  /** A reader here waits for what others write. */
  protected expect(_runId: string): void {}

  override async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.looking);
    this.tails.clear();
  }

  override async writer(runId: string, attempt: number, leastSeq = 0, isNew = false): Promise<LogWriter> {
    const tail = this.tails.acquire(runId);
    try {
      const end = await this.store.begin(runId, attempt, leastSeq, isNew);
      const isAnew = leastSeq > 0 && end === undefined;
      if (isAnew) this.announce(runId);
      tail.own(attempt, end);
      return new PagedLogWriter(runId, attempt, end, this.target(runId, attempt, tail));
    } catch (error) {
      this.tails.release(runId);
      throw error;
    }
  }

  override end(runId: string): Promise<LogEnd | undefined> {
    const tail = this.tails.find(runId);
    if (tail?.isCurrent === true) return Promise.resolve(tail.endEvent);
    return this.ends.fresh(runId, async () => {
      const end = endOf(await this.store.recent(runId, 1));
      const now = this.tails.find(runId);
      if (end !== undefined && now?.end?.seq === end.seq && now.end.attempt === end.attempt) now.confirm();
      return end;
    });
  }

  override async isDone(runId: string, attempt: number, seq: number): Promise<boolean> {
    const type = this.tails.find(runId)?.typeAt(attempt, seq);
    return type === undefined ? super.isDone(runId, attempt, seq) : type === 'done';
  }

  override async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const tail = await this.reader.warm(runId);
    const known = tail.knows(seq);
    if (known?.attempt === attempt) return true;
    const isThere = await this.checks.fresh(`${runId}.${attempt}.${seq}`, () =>
      this.store.has(runId, attempt, seq),
    );
    // The store has what memory does not: the end that is known here is an old one.
    if (isThere && (known !== undefined || seq > (tail.end?.seq ?? 0))) await this.reader.catchUp(runId);
    return isThere;
  }

  override async read(runId: string, after: number): Promise<LogPage[]> {
    try {
      const read = await this.store.readAfter(runId, { seq: after });
      return read === 'removed' ? [] : read.pages;
    } catch (error) {
      if (error instanceof LogLost) return [];
      throw error;
    }
  }

  override async remove(runId: string): Promise<void> {
    await this.store.remove(runId);
    this.tails.find(runId)?.drop();
    this.announce(runId);
  }

  override follow(runId: string, after: number, signal: AbortSignal): AsyncIterableIterator<LogPage[], void> {
    return new LogFollower(runId, after, signal, this.followed);
  }

  /** Nobody has looked after a tail that nobody watched: the first to come looks first. */
  private watch(runId: string): RunTail {
    const tail = this.tails.acquire(runId);
    tail.watchers += 1;
    const isKnown = tail.end === undefined || tail.isCurrent || tail.isFinal;
    if (tail.watchers === 1 && !isKnown) void this.reader.catchUp(runId);
    this.lookSoon();
    return tail;
  }

  private unwatch(runId: string, tail: RunTail): void {
    tail.watchers -= 1;
    this.tails.release(runId);
  }

  /** Looks at all that is watched, now and again. */
  protected lookSoon(): void {
    const milliseconds = this.lookAgainMs();
    if (milliseconds === undefined || this.looking !== undefined || this.isClosed) return;
    this.looking = setTimeout(() => {
      void this.look().finally(() => {
        this.looking = undefined;
        if (!this.tails.watched().next().done) this.lookSoon();
      });
    }, milliseconds).unref();
  }

  /** Looks at all that is watched. A store that cannot be reached is looked at again. */
  protected async look(): Promise<void> {
    await this.reader.look().catch(() => undefined);
  }

  private target(runId: string, attempt: number, tail: RunTail) {
    const held: LogPage[] = [];
    const page = (firstSeq: number, entries: LogEntry[]) => ({ runId, attempt, firstSeq, entries });
    return {
      commit: (firstSeq: number, entries: LogEntry[]) => this.commits.add(page(firstSeq, entries), true),
      commitHidden: async (firstSeq: number, entries: LogEntry[]) => {
        tail.hiddenFrom = firstSeq;
        await this.commits.add(page(firstSeq, entries), false);
        held.push(page(firstSeq, entries));
      },
      show: () => {
        tail.hiddenFrom = Infinity;
        if (held.length > 0) this.publish(held.splice(0));
        tail.ring();
      },
      refused: (reason: unknown) => {
        tail.disown(attempt);
        if (reason instanceof LogLost) tail.lost();
        if (tail.watchers > 0) this.expect(runId);
      },
      release: () => {
        this.commits.forget(runId, attempt);
        tail.disown(attempt);
        if (tail.watchers > 0) this.expect(runId);
        this.tails.release(runId);
      },
    };
  }

  private publish(pages: LogPage[]): void {
    const [first] = pages;
    if (first === undefined) return;
    const tail = this.tails.find(first.runId);
    tail?.push(pages);
    tail?.confirm();
    this.announce(first.runId);
  }
}
