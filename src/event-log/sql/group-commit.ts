import { AppError } from '../../errors/app-error.js';
import type { LogEntry, LogPage } from '../event-log.js';

/** Characters after which a page is closed and the next one begins, so that one read stays small. */
const PAGE_SIZE = 32_768;
/** Pages in one statement; a statement has a limited number of parameters. */
const PAGES_A_COMMIT = 64;

/** Entries of one run that wait for the next commit. All who handed some over wait for the same promise. */
interface Batch {
  /** `<run_id>.<attempt>` */
  readonly writer: string;
  readonly shown: boolean;
  readonly pages: LogPage[];
  readonly committed: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Entries of the open page, the last of `pages`. */
  open: LogEntry[];
  openSize: number;
}

/** Where pages go: `<run_id>.<attempt>` of all whose pages were accepted come back. */
export type InsertPages = (pages: readonly LogPage[]) => Promise<Set<string>>;

/**
 * Turns what many runs append into few commits: all that arrives in one turn of the event loop, or while a
 * commit is under way, is written together. An idle run pays one commit, a busy server few.
 */
export class GroupCommit {
  private batches = new Map<string, Batch>();
  /** Attempts of which a page is missing, with the error: a later page would leave a hole. */
  private readonly broken = new Map<string, unknown>();
  private running = false;

  constructor(
    private readonly insert: InsertPages,
    private readonly publish: (pages: LogPage[]) => void,
  ) {}

  /**
   * @param shown whether viewers are told as soon as it is durable.
   * @returns when it is durable. Rejects with `fenced` when the attempt is over, and with the error of an earlier
   * page that could not be written.
   */
  add(page: LogPage, shown: boolean): Promise<void> {
    const { runId, attempt } = page;
    const writer = keyOf(page);
    const key = `${writer}.${shown}`;
    const batch = this.batches.get(key) ?? newBatch(writer, shown);
    this.batches.set(key, batch);
    let seq = page.firstSeq;
    for (const entry of page.entries) {
      if (batch.pages.length === 0 || batch.openSize >= PAGE_SIZE)
        openPage(batch, { runId, attempt, firstSeq: seq });
      batch.open.push(entry);
      batch.openSize += entry.data.length;
      seq += 1;
    }
    this.schedule();
    return batch.committed;
  }

  /** Nobody writes for this attempt any more. */
  forget(runId: string, attempt: number): void {
    this.broken.delete(keyOf({ runId, attempt }));
  }

  private schedule(): void {
    if (this.running) return;
    this.running = true;
    setImmediate(() => void this.commitAll());
  }

  private async commitAll(): Promise<void> {
    while (this.batches.size > 0) {
      const batches = [...this.batches.values()];
      this.batches = new Map();
      for (const part of chunks(batches)) await this.commit(this.unbroken(part));
    }
    this.running = false;
  }

  private unbroken(batches: Batch[]): Batch[] {
    for (const batch of batches) {
      if (this.broken.has(batch.writer)) batch.reject(this.broken.get(batch.writer));
    }
    return batches.filter((batch) => !this.broken.has(batch.writer));
  }

  private async commit(batches: Batch[]): Promise<void> {
    if (batches.length === 0) return;
    try {
      const accepted = await this.insert(batches.flatMap((batch) => batch.pages));
      for (const batch of batches) this.settle(batch, accepted);
    } catch (error) {
      for (const batch of batches) this.fail(batch, error);
    }
  }

  private settle(batch: Batch, accepted: Set<string>): void {
    if (!accepted.has(batch.writer)) {
      this.fail(batch, new AppError('fenced', 'Another process has taken this run over.'));
      return;
    }
    if (batch.shown) this.publish(batch.pages);
    batch.resolve();
  }

  private fail(batch: Batch, error: unknown): void {
    this.broken.set(batch.writer, error);
    batch.reject(error);
  }
}

function keyOf(place: { runId: string; attempt: number }): string {
  return `${place.runId}.${place.attempt}`;
}

function newBatch(writer: string, shown: boolean): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Who handed entries over may look at the outcome later; until then a failure is nobody's surprise.
  promise.catch(() => undefined);
  return { writer, shown, pages: [], committed: promise, resolve, reject, open: [], openSize: 0 };
}

function openPage(batch: Batch, place: { runId: string; attempt: number; firstSeq: number }): void {
  batch.open = [];
  batch.openSize = 0;
  batch.pages.push({ ...place, entries: batch.open });
}

/** Cuts into statements of a bounded size; a batch stays whole, since its pages stand or fall together. */
function* chunks(batches: Batch[]): Generator<Batch[]> {
  let part: Batch[] = [];
  let pages = 0;
  for (const batch of batches) {
    if (part.length > 0 && pages + batch.pages.length > PAGES_A_COMMIT) {
      yield part;
      part = [];
      pages = 0;
    }
    part.push(batch);
    pages += batch.pages.length;
  }
  if (part.length > 0) yield part;
}
