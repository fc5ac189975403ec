import type { Database } from '../../database/database.js';
import { EventLog, type LogEnd, type LogEntry, type LogPage, type LogWriter } from '../event-log.js';
import { lastSeq } from '../log-page.js';
import { TailRegistry } from '../tail-registry.js';
import { GroupCommit } from './group-commit.js';
import { PageRepository } from './page.repository.js';
import { SqlLogWriter } from './sql-log-writer.js';

/** Characters that a reader is given at once. */
const READ_SIZE = 65_536;
/** Where other processes write too, a reader that waits looks into the table this often, in milliseconds. */
const LOOK_AGAIN_MS = 250;

/** The log as a table of the database, SQLite or PostgreSQL. */
export class SqlEventLog extends EventLog {
  private readonly pages: PageRepository;
  private readonly tails = new TailRegistry();
  private readonly commits: GroupCommit;
  /** Equal reads under way, so that many viewers who return at once cost one. A read from before the last bell is none. */
  private readonly reads = new Map<string, Promise<LogPage[]>>();

  /** @param onCommit told how many seconds each commit took. */
  constructor(
    private readonly database: Database,
    onCommit: (seconds: number) => void = () => {},
  ) {
    super();
    this.pages = new PageRepository(database);
    this.commits = new GroupCommit(
      async (pages) => {
        const began = performance.now();
        const accepted = await this.pages.insert(pages);
        onCommit((performance.now() - began) / 1000);
        return accepted;
      },
      (pages) => this.publish(pages),
    );
  }

  override async writer(runId: string, attempt: number): Promise<LogWriter> {
    const tail = this.tails.acquire(runId);
    const held: LogPage[] = [];
    const end = await this.pages.end(runId).catch((error: unknown) => {
      this.tails.release(runId);
      throw error;
    });
    return new SqlLogWriter(runId, attempt, end, {
      commit: (firstSeq: number, entries: LogEntry[], shown: boolean) => {
        const page = { runId, attempt, firstSeq, entries };
        if (!shown) held.push(page);
        return this.commits.add(page, shown);
      },
      show: () => tail.push(held.splice(0)),
      release: () => {
        this.commits.forget(runId, attempt);
        this.tails.release(runId);
      },
    });
  }

  override end(runId: string): Promise<LogEnd | undefined> {
    return this.pages.end(runId);
  }

  override has(runId: string, attempt: number, seq: number): Promise<boolean> {
    return this.pages.has(runId, attempt, seq);
  }

  override read(runId: string, after: number): Promise<LogPage[]> {
    return this.pages.read(runId, after, READ_SIZE);
  }

  override async remove(runId: string): Promise<void> {
    await this.pages.delete(runId);
    this.tails.find(runId)?.drop();
  }

  override async *follow(runId: string, after: number, signal: AbortSignal): AsyncGenerator<LogPage[], void> {
    const tail = this.tails.acquire(runId);
    try {
      let seq = after;
      let lookIntoStore = false;
      while (!signal.aborted) {
        const { version } = tail;
        const recent = lookIntoStore ? undefined : tail.after(seq, READ_SIZE);
        const pages = recent ?? (await this.readOnce(runId, seq, version));
        lookIntoStore = false;
        const last = pages.at(-1);
        if (last === undefined) {
          const isGone = recent === undefined && seq > 0 && (await this.pages.end(runId)) === undefined;
          if (isGone) return;
          await tail.changed(version, signal, this.database.exclusive ? undefined : LOOK_AGAIN_MS);
          lookIntoStore = tail.version === version;
          continue;
        }
        yield pages;
        if (last.entries.at(-1)?.type === 'done') return;
        seq = lastSeq(last);
      }
    } finally {
      this.tails.release(runId);
    }
  }

  private readOnce(runId: string, after: number, version: number): Promise<LogPage[]> {
    const key = `${runId}.${after}.${version}`;
    const underWay = this.reads.get(key);
    if (underWay !== undefined) return underWay;
    const read = this.read(runId, after).finally(() => this.reads.delete(key));
    this.reads.set(key, read);
    return read;
  }

  private publish(pages: LogPage[]): void {
    const [first] = pages;
    if (first !== undefined) this.tails.find(first.runId)?.push(pages);
  }
}
