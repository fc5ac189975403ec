import { Injectable, Logger } from '@nestjs/common';
import type { OfTenant } from '../../database/database.js';
import { EventLog } from '../../event-log/event-log.js';
import { LogLost } from '../../event-log/log-lost.js';
import { LogRestorer } from '../../runs/log-restorer.service.js';
import { NextRuns } from '../../runs/next-runs.service.js';
import type { Run } from '../../runs/run.js';
import { RunRepository } from '../../runs/run.repository.js';
import type { ViewBatch, ViewPlan } from '../view-plan.js';
import { Viewers } from './viewers.js';

/** A log that stays empty for so long, in milliseconds, is looked at together with its run. */
const LOOK_AT_RUN_MS = 5_000;

/** Reads what a plan shows, run after run; knows which runs somebody watches. */
@Injectable()
export class ViewReader {
  private readonly logger = new Logger('ViewReader');
  private readonly viewers = new Viewers((runIds) => this.tellWatched(runIds));

  constructor(
    private readonly log: EventLog,
    private readonly restorer: LogRestorer,
    private readonly records: RunRepository,
    private readonly next: NextRuns,
  ) {}

  /** The plan's batches, each when it is asked for; aborting the signal ends them quietly. */
  async *read(owner: OfTenant, plan: ViewPlan, signal: AbortSignal): AsyncGenerator<ViewBatch, void> {
    if (plan.isReset) yield { reset: { after: null, reason: 'cursor_not_found' } };
    let after = plan.afterSeq;
    let run = plan.run ?? (await this.next.wait(owner, plan.sessionId, plan.afterNumber, signal));
    while (run !== undefined) {
      yield* this.readRun(run, after, signal);
      if (!plan.follow || signal.aborted) return;
      run = await this.next.wait(owner, plan.sessionId, run.number, signal);
      after = 0;
    }
  }

  private async *readRun(run: Run, after: number, signal: AbortSignal): AsyncGenerator<ViewBatch, void> {
    const endsWhenLeft = run.onDisconnect === 'cancel';
    if (endsWhenLeft) this.viewers.enter(run);
    try {
      yield* this.readLog(run, after, signal);
    } finally {
      if (endsWhenLeft) this.viewers.leave(run);
    }
  }

  /** Should the log be lost under the viewer, it is told to drop what it has, and gets the run from its beginning. */
  private async *readLog(run: Run, after: number, signal: AbortSignal): AsyncGenerator<ViewBatch, void> {
    let from = after;
    let current: Run | undefined = run;
    while (current !== undefined && !signal.aborted) {
      await this.restorer.ensure(current);
      try {
        const isRead = yield* this.readFrom(run.id, from, signal);
        if (isRead || from > 0) return;
      } catch (error) {
        if (!(error instanceof LogLost)) throw error;
        yield { reset: { after: null, reason: 'log_lost' } };
        from = 0;
      }
      current = await this.records.find(run, run.id);
    }
  }

  /**
   * Follows the log. From its beginning it does not wait for ever: there is nothing to come when the run ended and
   * the log was lost in the same moment.
   * @returns whether there was anything.
   */
  private async *readFrom(
    runId: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<ViewBatch, boolean> {
    const patience = new AbortController();
    const timer = from > 0 ? undefined : setTimeout(() => patience.abort(), LOOK_AT_RUN_MS);
    let isRead = false;
    try {
      for await (const pages of this.log.follow(runId, from, AbortSignal.any([signal, patience.signal]))) {
        clearTimeout(timer);
        isRead = true;
        yield pages;
      }
      return isRead;
    } finally {
      clearTimeout(timer);
    }
  }

  private tellWatched(runIds: string[]): void {
    this.records.noteWatched(runIds).catch((error: unknown) => {
      this.logger.warn({ err: error, runs: runIds }, 'It could not be stored that runs are watched');
    });
  }
}
