import type { LogEnd, LogPage } from './event-log.js';
import type { RunEventType } from './run-event.js';

/** A place in a run's log: right after the event with this `seq`; 0 is the beginning. */
export interface LogPlace {
  readonly seq: number;
  /** Attempt of that event, where known. Together they name one event for ever: an attempt never writes a `seq` twice. */
  readonly attempt?: number | undefined;
}

/** What follows a place that the log has. */
export interface Continuation {
  /** Attempt of the event at the place; undefined at the beginning. */
  readonly attempt: number | undefined;
  readonly pages: LogPage[];
}

/** What became of a page; `lost`: the store no longer has what was written before it. */
export type PageOutcome = 'accepted' | 'fenced' | 'lost';

/**
 * What a store of pages does for the event log; all that viewers and writers see is built on it. A store that
 * cannot be reached throws AppError `unavailable`, one without space `storage_full`; nothing else is tried again.
 */
export interface LogStore {
  /**
   * Refuses all attempts before this one from now on. A log that ends before `leastSeq` is begun anew.
   * @param isNew the run has just been made: its log is empty, or what is written with this attempt is refused.
   * @returns the log's end, undefined when it is empty. @throws AppError `fenced` when a newer attempt exists.
   */
  begin(runId: string, attempt: number, leastSeq: number, isNew?: boolean): Promise<LogEnd | undefined>;

  /**
   * Writes pages of any number of runs, each run's in order. May be asked again after a lost answer: a page
   * that is stored is not stored twice.
   * @returns the outcome for each `<run_id>.<attempt>`.
   */
  insert(pages: readonly LogPage[]): Promise<ReadonlyMap<string, PageOutcome>>;

  /**
   * About 64 K characters of events after a place. @returns `removed` for a run that was removed.
   * @throws LogLost when the log does not have the event at that place.
   */
  readAfter(runId: string, place: LogPlace): Promise<Continuation | 'removed'>;

  /** The newest pages, oldest first: about `size` characters, one page at least; an empty log: none. */
  recent(runId: string, size: number): Promise<LogPage[]>;

  /** Where the logs of these runs end; an empty one is left out. */
  ends(runIds: readonly string[]): Promise<ReadonlyMap<string, LogPlace>>;

  has(runId: string, attempt: number, seq: number): Promise<boolean>;

  remove(runId: string): Promise<void>;
}

/** Pages of several runs after places of them, each run's in order. */
export interface News {
  readonly pages: ReadonlyMap<string, LogPage[]>;
  /** Whether there may be more. */
  readonly hasMore: boolean;
}

/** Asks for what follows a `seq` of each run, for all in one question. */
export type ReadNews = (places: ReadonlyMap<string, number>) => Promise<News>;

/** Characters that a reader is given at once. */
export const READ_SIZE = 65_536;

/** The last event of pages that follow each other. */
export function endOf(pages: readonly LogPage[]): LogEnd | undefined {
  const page = pages.at(-1);
  const type: RunEventType | undefined = page?.entries.at(-1)?.type;
  if (page === undefined || type === undefined) return undefined;
  return { attempt: page.attempt, seq: page.firstSeq + page.entries.length - 1, type };
}

/** `<run_id>.<attempt>`: one writer. */
export function writerKey(place: { runId: string; attempt: number }): string {
  return `${place.runId}.${place.attempt}`;
}
