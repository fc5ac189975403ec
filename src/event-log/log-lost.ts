/**
 * The store has lost events of this run that were there before, or the run's log was begun anew. What a reader
 * holds may not be part of the log any more: it drops all of it and reads from the beginning. A writer cannot go
 * on: the run's next attempt begins the log anew.
 */
export class LogLost extends Error {
  override readonly name = 'LogLost';

  constructor(readonly runId: string) {
    super(`Events of the run ${runId} were lost.`);
  }
}
