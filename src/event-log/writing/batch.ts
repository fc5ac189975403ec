import type { LogEntry, LogPage } from '../event-log.js';

/** Characters after which a page is closed and the next one begins, so that one read stays small. */
const PAGE_SIZE = 32_768;
/** Pages in one statement; a statement has a limited number of parameters. */
const PAGES_A_COMMIT = 64;

/**
 * Entries of one run that wait for the next commit. All who handed some over have the same promise, and take care of
 * its failure.
 */
export interface Batch {
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

export function newBatch(writer: string, shown: boolean): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { writer, shown, pages: [], committed: promise, resolve, reject, open: [], openSize: 0 };
}

/** Adds what follows the entries of the batch; a page that is full is closed. */
export function addEntries(batch: Batch, { runId, attempt, firstSeq, entries }: LogPage): void {
  let seq = firstSeq;
  for (const entry of entries) {
    if (batch.pages.length === 0 || batch.openSize >= PAGE_SIZE)
      openPage(batch, { runId, attempt, firstSeq: seq }, entry);
    else batch.open.push(entry);
    batch.openSize += entry.data.length;
    seq += 1;
  }
}

/** Nearly all pages have one entry, and live long: an array that is filled later has room for 17. */
function openPage(batch: Batch, place: Omit<LogPage, 'entries'>, first: LogEntry): void {
  batch.open = [first];
  batch.openSize = 0;
  batch.pages.push({ ...place, entries: batch.open });
}

/** Cuts into statements of a bounded size; a batch stays whole, since its pages stand or fall together. */
export function* inParts(batches: Batch[]): Generator<Batch[]> {
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
