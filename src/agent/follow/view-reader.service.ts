import { Injectable, Logger } from '@nestjs/common';
import type { OfTenant } from '../../database/database.js';
import { EventLog } from '../../event-log/event-log.js';
import { LogLost } from '../../event-log/log-lost.js';
import { LogRestorer } from '../../runs/log-restorer.service.js';
import { NextRuns } from '../../runs/next-runs.service.js';
import type { Run } from '../../runs/run.js';
import { RunRepository } from '../../runs/run.repository.js';
import type { ViewBatch, ViewPlan } from '../view-plan.js';
import { FirstWait } from './first-wait.js';
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

  /**
   * The plan's batches, each when it is asked for; aborting the signal ends them quietly.
   *
   * Should a log be lost under the viewer, that is told to drop what it has, and gets the run from its beginning.
   * From there nobody waits for ever: there is nothing to come when the run ended and the log was lost in the same
   * moment. Each generator between the log and the viewer costs every event: this is the only one.
   */
  async *read(owner: OfTenant, plan: ViewPlan, signal: AbortSignal): AsyncGenerator<ViewBatch, void> {
    if (plan.isReset) yield { reset: { after: null, reason: 'cursor_not_found' } };
    let from = plan.afterSeq;
    let run = plan.run ?? (await this.next.wait(owner, plan.sessionId, plan.afterNumber, signal));
    let leave: (() => void) | undefined;
    try {
      while (run !== undefined) {
        leave ??= this.enter(run);
        await this.restorer.ensure(run);
        const patience = from > 0 ? undefined : new FirstWait(signal, LOOK_AT_RUN_MS);
        let isRead = false;
        try {
          for await (const pages of this.log.follow(run.id, from, patience?.signal ?? signal)) {
            patience?.met();
            yield pages;
          }
          isRead = patience?.wasMet !== false;
        } catch (error) {
          if (!(error instanceof LogLost)) throw error;
          yield { reset: { after: null, reason: 'log_lost' } };
        } finally {
          patience?.stop();
        }
        if (signal.aborted || (isRead && !plan.follow)) return;
        from = 0;
        if (isRead) {
          leave?.();
          leave = undefined;
          run = await this.next.wait(owner, plan.sessionId, run.number, signal);
        } else run = await this.records.find(run, run.id);
      }
    } finally {
      leave?.();
    }
  }

  /** @returns to be called when it is watched no more; undefined: it does not matter to this run. */
  private enter(run: Run): (() => void) | undefined {
    if (run.onDisconnect !== 'cancel') return undefined;
    this.viewers.enter(run);
    return () => this.viewers.leave(run);
  }

  private tellWatched(runIds: string[]): void {
    this.records.noteWatched(runIds).catch((error: unknown) => {
      this.logger.warn({ err: error, runs: runIds }, 'It could not be stored that runs are watched');
    });
  }
}
