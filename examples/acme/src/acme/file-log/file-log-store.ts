import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from 'agentline/errors';
import {
  type Continuation,
  endOf,
  lastSeq,
  type LogEnd,
  LogLost,
  type LogPage,
  type LogPlace,
  type LogStore,
  pageAfter,
  type PageOutcome,
  pageSize,
  READ_SIZE,
  writerKey,
} from 'agentline/event-log';

/** A line of a run's file. `attempt` alone: an attempt has begun; with `isAnew`: nothing before it counts. */
type Line = { attempt: number; isAnew?: true } | LogPage;

interface Kept {
  attempt: number;
  pages: LogPage[];
}

/**
 * One file for each run, a line for each page, on the disk before it is answered. What is read once stays in memory.
 * For one process: a second one on the same folder would not see what this one writes.
 */
export class FileLogStore implements LogStore {
  private readonly logs = new Map<string, Promise<Kept | undefined>>();
  private writes: Promise<unknown> = Promise.resolve();
  /** Runs whose file this process has written to, so that it ends with a whole line. */
  private readonly written = new Set<string>();

  constructor(private readonly folder: string) {}

  begin(runId: string, attempt: number, leastSeq: number): Promise<LogEnd | undefined> {
    return this.inTurn(async () => {
      const log = (await this.find(runId)) ?? { attempt, pages: [] };
      if (log.attempt > attempt) throw new AppError('fenced', 'Another attempt has taken this run over.');
      const end = endOf(log.pages);
      const isWhole = (end?.seq ?? 0) >= leastSeq;
      await this.write(runId, [{ attempt, ...(!isWhole && { isAnew: true as const }) }]);
      this.logs.set(runId, Promise.resolve({ attempt, pages: isWhole ? log.pages : [] }));
      return isWhole ? end : undefined;
    });
  }

  insert(pages: readonly LogPage[]): Promise<Map<string, PageOutcome>> {
    return this.inTurn(async () => {
      const outcomes = new Map<string, PageOutcome>();
      for (const [runId, own] of Map.groupBy(pages, (page) => page.runId)) {
        const log = await this.find(runId);
        const accepted = own.filter((page) => page.attempt === log?.attempt);
        // What is stored comes again when its answer was lost.
        const fresh = accepted.filter((page) => page.firstSeq > (endOf(log?.pages ?? [])?.seq ?? 0));
        if (fresh.length > 0) await this.write(runId, fresh);
        log?.pages.push(...fresh);
        for (const page of own)
          outcomes.set(writerKey(page), accepted.includes(page) ? 'accepted' : 'fenced');
      }
      return outcomes;
    });
  }

  async readAfter(runId: string, { seq, attempt }: LogPlace): Promise<Continuation | 'removed'> {
    const log = await this.find(runId);
    if (log === undefined) return seq > 0 ? 'removed' : { attempt: undefined, pages: [] };
    const at = pageWith(log, seq);
    if (seq > 0 && (at === undefined || at.attempt !== (attempt ?? at.attempt))) throw new LogLost(runId);
    const pages = log.pages.filter((page) => lastSeq(page) > seq);
    return { attempt: at?.attempt, pages: upTo(READ_SIZE, pages).map((page) => pageAfter(page, seq)) };
  }

  async recent(runId: string, size: number): Promise<LogPage[]> {
    return upTo(size, ((await this.find(runId))?.pages ?? []).toReversed()).toReversed();
  }

  async ends(runIds: readonly string[]): Promise<Map<string, LogPlace>> {
    const ends = new Map<string, LogPlace>();
    for (const runId of runIds) {
      const end = endOf((await this.find(runId))?.pages ?? []);
      if (end !== undefined) ends.set(runId, end);
    }
    return ends;
  }

  async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const log = await this.find(runId);
    return log !== undefined && pageWith(log, seq)?.attempt === attempt;
  }

  remove(runId: string): Promise<void> {
    return this.inTurn(async () => {
      await rm(this.fileOf(runId), { force: true });
      this.logs.delete(runId);
    });
  }

  private find(runId: string): Promise<Kept | undefined> {
    const known = this.logs.get(runId);
    if (known !== undefined) return known;
    const reading = this.read(runId);
    this.logs.set(runId, reading);
    // Neither a run without a file nor a failure is kept in mind.
    const forget = () => void (this.logs.get(runId) === reading && this.logs.delete(runId));
    reading.then((log) => log ?? forget(), forget);
    return reading;
  }

  private async read(runId: string): Promise<Kept | undefined> {
    const text = await readFile(this.fileOf(runId), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const log: Kept = { attempt: 0, pages: [] };
    // A line without its end was being written when the process died: nobody was told that it stands.
    for (const line of text.split('\n').slice(0, -1)) {
      const said = JSON.parse(line) as Line;
      if ('entries' in said) log.pages.push(said);
      else Object.assign(log, { attempt: said.attempt, ...(said.isAnew && { pages: [] }) });
    }
    return log;
  }

  /** On the disk when it returns. What an earlier process left unfinished is cut off first. */
  private async write(runId: string, lines: readonly Line[]): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = await open(this.fileOf(runId), 'a+');
    try {
      if (!this.written.has(runId)) {
        const text = await file.readFile();
        await file.truncate(text.lastIndexOf('\n') + 1);
        this.written.add(runId);
      }
      await file.appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await file.datasync();
    } catch (error) {
      this.written.delete(runId);
      throw new AppError('unavailable', 'The log cannot be written.', { cause: error });
    } finally {
      await file.close();
    }
  }

  /** One write after the other: what is decided by the state must not be decided by two at a time. */
  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.writes.then(task);
    this.writes = turn.catch(() => undefined);
    return turn;
  }

  /** Ids of runs are letters, digits and `_`. */
  private fileOf(runId: string): string {
    return join(this.folder, `${runId}.jsonl`);
  }
}

function pageWith(log: Kept, seq: number): LogPage | undefined {
  return log.pages.find((page) => page.firstSeq <= seq && seq <= lastSeq(page));
}

/** Whole pages from the first on, one at least, until they have so many characters. */
function upTo(size: number, pages: readonly LogPage[]): LogPage[] {
  let taken = 0;
  return pages.filter((page) => {
    const isWanted = taken < size;
    taken += pageSize(page);
    return isWanted;
  });
}
