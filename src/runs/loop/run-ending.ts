import { AppError } from '../../errors/app-error.js';
import type { EventLog, LogWriter } from '../../event-log/event-log.js';
import { placeEvents } from '../../event-log/placed-event.js';
import type { Usage } from '../../event-log/run-event.js';
import { ModelError } from '../../model/language-model.js';
import { costUsd } from '../../model/prices.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import type { RunOutcome, Run } from '../run.js';
import type { RunRepository } from '../run.repository.js';
import { RunStop } from '../run-stop.js';

interface EndingDependencies {
  log: EventLog;
  runs: RunRepository;
  messages: MessageRepository;
  onUnexpected(error: unknown, run: Run): void;
}

interface Failure {
  error: string;
  code: string;
  retryable: boolean;
}

/** The one way a run ends: its last events, then its final state, in this order. */
export class RunEnding {
  constructor(
    private readonly run: Run,
    private readonly writer: LogWriter,
    private readonly dependencies: EndingDependencies,
  ) {}

  complete(stopReason: string, usage: Usage): Promise<void> {
    return this.done('completed', stopReason, null, usage);
  }

  /** Ends a run that was stopped or has failed. */
  async stop(reason: unknown, usage: Usage): Promise<void> {
    if (reason instanceof RunStop && reason.kind === 'cancel')
      return this.done('cancelled', null, null, usage);
    const failure = this.explain(reason);
    await this.writer.append({ type: 'error', data: failure });
    await this.done('failed', null, failure.code, usage);
  }

  /** A process died between the last event and the final state: only the state is missing. */
  async settleIfDone(): Promise<boolean> {
    const end = await this.dependencies.log.end(this.run.id);
    if (end?.type !== 'done') return false;
    const pages = await this.dependencies.log.read(this.run.id, Math.max(0, end.seq - 2));
    const [done, before] = [...placeEvents(pages)].toReversed();
    if (done?.type !== 'done') throw new AppError('internal', 'The last event of the run cannot be read.');
    const code = before?.type === 'error' ? before.data.code : null;
    await this.settle(done.data.status, done.data.stop_reason, code, done.data.usage);
    return true;
  }

  private done(
    status: RunOutcome,
    stopReason: string | null,
    code: string | null,
    usage: Usage,
  ): Promise<void> {
    const data = { status, stop_reason: stopReason, usage, cost_usd: costUsd(this.run.model, usage) };
    return this.writer.end({ type: 'done', data }, () => this.settle(status, stopReason, code, usage));
  }

  private settle(
    status: RunOutcome,
    stopReason: string | null,
    code: string | null,
    usage: Usage,
  ): Promise<void> {
    const { runs, messages } = this.dependencies;
    const end = { status, stopReason, errorCode: code, usage, lastEventId: this.writer.lastEventId ?? '' };
    const neverBegan = this.run.status === 'queued';
    return runs.settle(this.run, end, neverBegan ? (on) => messages.withdraw(on, this.run.id) : undefined);
  }

  private explain(reason: unknown): Failure {
    if (reason instanceof RunStop && reason.kind === 'timeout') {
      return {
        error: 'The run has used its time: raise RUN_TIMEOUT_MS or ask for less.',
        code: 'run_timeout',
        retryable: true,
      };
    }
    if (reason instanceof ModelError)
      return { error: reason.message, code: reason.code, retryable: reason.retryable };
    if (reason instanceof AppError) return { error: reason.message, code: reason.code, retryable: false };
    this.dependencies.onUnexpected(reason, this.run);
    return { error: 'The server failed while it worked on this run.', code: 'internal', retryable: true };
  }
}
