/**
 * What other processes are told at once instead of finding it later. `log`: runs that have new events;
 * `cancel`: runs that shall end; `queue`: runs that wait for a process; `session`: sessions that have a new run;
 * `tools`: tool servers of which something was accepted.
 */
export type NoticeTopic = 'log' | 'cancel' | 'queue' | 'session' | 'tools';

/**
 * Hears the ids that another process has sent. `unknown`: for a while nothing could be heard, so anything may
 * have happened.
 */
export type HearNotice = (ids: readonly string[] | 'unknown') => void;

/**
 * Wakes other processes on the same database.
 *
 * A notice is a hint and never the truth: it says where to look. It may be lost, doubled or late, so whoever
 * listens looks by itself too, rarely while `isLive`, often otherwise. A process does not hear its own notices.
 */
export abstract class Notices {
  /** Whether notices of others arrive at this moment, as far as known. */
  abstract readonly isLive: boolean;

  /** Tells the other processes, soon; never throws, and nobody waits for it. */
  abstract send(topic: NoticeTopic, id: string): void;

  /** @returns what ends it. */
  abstract listen(topic: NoticeTopic, hear: HearNotice): () => void;
}

/** For a database that one process has to itself: there is nobody to tell. */
export class NoNotices extends Notices {
  override readonly isLive = true;

  override send(): void {}

  override listen(): () => void {
    return () => {};
  }
}
