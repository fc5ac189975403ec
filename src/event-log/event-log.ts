import type { RunEvent, RunEventType } from './run-event.js';

/** One event as the log keeps it: `data` is the JSON text that every viewer gets, byte for byte. */
export interface LogEntry {
  readonly type: RunEventType;
  readonly data: string;
}

/** Events of one run and attempt that follow each other, committed together; never changed afterwards. */
export interface LogPage {
  readonly runId: string;
  readonly attempt: number;
  /** `seq` of the first entry; the others follow without holes. */
  readonly firstSeq: number;
  readonly entries: readonly LogEntry[];
}

/** The last event of a run's log. */
export interface LogEnd {
  readonly attempt: number;
  readonly seq: number;
  readonly type: RunEventType;
}

/** The pen of the run's owner: counts `seq` and is refused once a newer attempt exists. */
export interface LogWriter {
  /** Id of the last event handed over, committed or not; null while the log is empty. */
  readonly lastEventId: string | null;
  readonly lastSeq: number;
  /** Characters handed over and not yet committed: wait for the last append when this grows. */
  readonly pending: number;
  /**
   * Aborted with the error once an append was refused or failed: from then on nothing can be written. `fenced`: a
   * newer attempt exists; `LogLost`: the store has lost what was written before; `storage_full`; `unavailable`: the
   * store could not be reached for longer than the lease allows. While it cannot be reached for less, appends wait.
   */
  readonly refused: AbortSignal;

  /**
   * Hands events over, in order. Calls need not be awaited one by one: what arrives while a commit is under
   * way becomes one commit.
   * @returns when they are durable. Rejects with code `fenced` when this attempt is over; nothing is written then.
   */
  append(...events: RunEvent[]): Promise<void>;

  /** When all that was handed over is durable; rejects when something was refused. */
  flushed(): Promise<void>;

  /**
   * Writes the last event; after it everything is refused. `settle` stores the run's final state after the event
   * is durable and before viewers are told, so who reacts to `done` finds the run over. When `settle` rejects,
   * viewers are told all the same, since the event stands.
   */
  end(event: RunEvent & { type: 'done' }, settle: () => Promise<void>): Promise<void>;

  /** Gives the pen back. Nothing is written by it; what was handed over is still committed. */
  close(): void;
}

/**
 * What runs said: an append-only list of events for each run.
 *
 * A run's owner writes with a `LogWriter`; everybody else reads with `follow`, a cursor that holds nothing.
 * An event is visible to readers only after it is durable. `seq` is dense over all attempts of a run, and a
 * writer of an attempt that is over is refused by the store itself, so what readers see never forks.
 * Any number of processes may share the store; what one appends, the readers of all see soon, from one read a run.
 * A store that cannot be reached: `writer`, `end`, `has`, `read` and `remove` throw AppError `unavailable`,
 * appends wait for as long as a lease lasts, and readers wait.
 * Adapters run `event-log.contract.ts`.
 */
export abstract class EventLog {
  /**
   * Opens the pen for an attempt that the caller owns, after the log's last event. From then on the pens of
   * earlier attempts are refused.
   * @param leastSeq what is known to have been in the log (a run's `checkpointSeq`). A log that ends before it was
   * lost: it is begun anew, so the pen's `lastSeq` is 0, and readers are told with `LogLost`. What is known must then
   * be set back, or the next attempt begins it anew once more.
   * @param isNew the caller has just made the run, so its log need not be looked at: whoever else has written there
   * has a newer attempt, and what this pen writes is refused.
   * @throws AppError `fenced` when the store knows a newer attempt, or that the run was removed.
   */
  abstract writer(runId: string, attempt: number, leastSeq?: number, isNew?: boolean): Promise<LogWriter>;

  /** The last event of the run's log, or undefined when it has none. */
  abstract end(runId: string): Promise<LogEnd | undefined>;

  /** Whether the log has an event with this attempt and `seq`. */
  abstract has(runId: string, attempt: number, seq: number): Promise<boolean>;

  /** Whether this event, which the log has, is its `done`: nothing follows it. */
  async isDone(runId: string, attempt: number, seq: number): Promise<boolean> {
    const end = await this.end(runId);
    return end?.type === 'done' && end.attempt === attempt && end.seq === seq;
  }

  /** Committed events with a `seq` greater than `after`, oldest first, about 64 KiB at most; none: empty. */
  abstract read(runId: string, after: number): Promise<LogPage[]>;

  /** Forgets a run that is over, with all its events. */
  abstract remove(runId: string): Promise<void>;

  /**
   * All events after `after`, then those to come, each once and in order; ends after `done`, or quietly when
   * `signal` is aborted or the run is removed. The next pages are fetched when asked for: a reader that does not read costs its cursor.
   * While the store cannot be reached it waits.
   * @throws LogLost when events that the reader has had are not part of the log any more.
   */
  abstract follow(runId: string, after: number, signal: AbortSignal): AsyncIterable<LogPage[]>;

  /** For people: where the events are, without credentials. */
  describe(): string {
    return 'events in memory';
  }

  /** Connects. Throws EnvironmentError when the store cannot be used, with what to check. */
  async open(): Promise<void> {}

  /** Ends connections and timers; readers that are left wait for ever, so abort them first. */
  async close(): Promise<void> {}
}
