import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { AppError, hasCode } from '../errors/app-error.js';
import { EventLog, type LogWriter } from '../event-log/event-log.js';
import { RunListeners } from './listeners/run-listeners.service.js';
import type { AgentLoop, LoopResult } from './loop/agent-loop.js';
import { AgentLoopFactory } from './loop/agent-loop-factory.service.js';
import type { Run } from './run.js';
import { RunRepository } from './run.repository.js';

/** How often a full disk is tried again, in milliseconds. */
const LOOK_FOR_SPACE_MS = 500;
const FULL = new AppError('storage_full', 'The server had no space left to store what the run said.');

/** How an attempt ended. `away`: the log cannot be reached from here, so another process may have more luck. */
export type AttemptResult = LoopResult | 'away';

type Work = (loop: AgentLoop, writer: LogWriter) => Promise<LoopResult>;

/** One attempt of a run with its log: opened at the claim, closed when the attempt is over. */
@Injectable()
export class RunAttempts {
  private readonly logger = new Logger('RunAttempts');

  constructor(
    private readonly log: EventLog,
    private readonly runs: RunRepository,
    private readonly loops: AgentLoopFactory,
    private readonly listeners: RunListeners,
  ) {}

  async execute(run: Run, signal: AbortSignal, isMoving: () => boolean): Promise<AttemptResult> {
    const result = await this.withLog(run, signal, isMoving, (loop, writer) => {
      this.listeners.attach(run, writer.lastSeq);
      return loop.execute();
    });
    return result === 'full' ? this.failWithSpace(run, signal) : result;
  }

  /** Nothing can be written: the run has failed, and says so as soon as it can. */
  private async failWithSpace(run: Run, signal: AbortSignal): Promise<AttemptResult> {
    this.logger.error(
      { run_id: run.id },
      'There is no space left for what runs say: make room. The run fails as soon as that can be stored',
    );
    let result: AttemptResult = 'full';
    while (result === 'full' && !signal.aborted) {
      await sleep(LOOK_FOR_SPACE_MS);
      const stored = (await this.runs.find(run, run.id)) ?? run;
      if (stored.attempt !== run.attempt) return 'lost';
      result = await this.withLog(
        stored,
        signal,
        () => false,
        (loop) => loop.fail(FULL),
      );
    }
    return result;
  }

  private async withLog(
    run: Run,
    signal: AbortSignal,
    isMoving: () => boolean,
    work: Work,
  ): Promise<AttemptResult> {
    let writer: LogWriter | undefined;
    try {
      writer = await this.log.writer(run.id, run.attempt, run.checkpointSeq);
      const either = AbortSignal.any([signal, writer.refused]);
      const result = await work(this.loops.create(run, writer, either, isMoving), writer);
      if (result === 'over') this.listeners.attachToEnd(run, writer.lastSeq);
      return result === 'moved' && hasCode(writer.refused.reason, 'unavailable') ? 'away' : result;
    } catch (error) {
      if (hasCode(error, 'unavailable')) return 'away';
      if (hasCode(error, 'storage_full')) return 'full';
      if (hasCode(error, 'fenced')) return 'lost';
      throw error;
    } finally {
      writer?.close();
    }
  }
}
