import { AppError } from '../../errors/app-error.js';
import type { Queryable } from '../../database/database.js';
import type { EventLog, LogWriter } from '../../event-log/event-log.js';
import type { StopDetails } from '../../event-log/run-event.js';
import { placeEvents } from '../../event-log/placed-event.js';
import type { FrameRepository } from '../../context/frame.repository.js';
import { NOT_ACCEPTED } from '../../context/prompt.js';
import { ModelError } from '../../model/language-model.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import { fromUsd, toUsd } from '../../usage/cost.js';
import type { Spent } from '../../usage/usage-sum.js';
import { introduction, type Run, type RunOutcome } from '../run.js';
import type { RunRepository } from '../run.repository.js';
import { RunStop } from '../run-stop.js';
import type { RunInputRepository } from './run-input.repository.js';

interface EndingDependencies {
  log: EventLog;
  runs: RunRepository;
  messages: MessageRepository;
  inputs: RunInputRepository;
  frames: FrameRepository;
  /** Whether an answer with calls may be stored, and with it what the model was asked with. */
  mayHaveCalls(): boolean;
  onUnexpected(error: unknown, run: Run): void;
}

interface Failure {
  error: string;
  code: string;
  retryable: boolean;
}

/** Errors of a provider that does not take the request as it is. */
const REFUSALS = new Set(['invalid_request_error', 'request_too_large', 'image_dimensions_too_large']);

/** The one way a run ends: its last events, then its final state, in this order. */
export class RunEnding {
  constructor(
    private readonly run: Run,
    private readonly writer: LogWriter,
    private readonly dependencies: EndingDependencies,
  ) {}

  /** @param details why the model refused, where it did. */
  complete(stopReason: string, spent: Spent, details?: StopDetails): Promise<void> {
    return this.done('completed', stopReason, null, spent, details);
  }

  /** Ends a run that was stopped or has failed. */
  async stop(reason: unknown, spent: Spent): Promise<void> {
    if (reason instanceof RunStop && reason.kind === 'cancel')
      return this.done('cancelled', null, null, spent);
    const failure = this.explain(reason);
    await this.introduce();
    await this.writer.append({ type: 'error', data: failure });
    await this.done('failed', null, failure.code, spent);
  }

  /** A process died between the last event and the final state: only the state is missing. */
  async settleIfDone(): Promise<boolean> {
    const end = await this.dependencies.log.end(this.run.id);
    if (end?.type !== 'done') return false;
    const pages = await this.dependencies.log.read(this.run.id, Math.max(0, end.seq - 2));
    const [done, before] = [...placeEvents(pages)].toReversed();
    if (done?.type !== 'done') throw new AppError('internal', 'The last event of the run cannot be read.');
    const code = before?.type === 'error' ? before.data.code : null;
    const { status, stop_reason: stopReason, usage, cost_usd: usd } = done.data;
    await this.settle(status, stopReason, code, { usage, cost: fromUsd(usd, this.run.cost) });
    return true;
  }

  /** Whoever makes a run tells of it first; should that have failed, the log begins here. */
  private async introduce(): Promise<void> {
    if (this.writer.lastSeq > 0) return;
    await this.writer.append(introduction(this.run));
  }

  private async done(
    status: RunOutcome,
    stopReason: string | null,
    code: string | null,
    spent: Spent,
    details?: StopDetails,
  ): Promise<void> {
    await this.introduce();
    const told = { status, stop_reason: stopReason, usage: spent.usage, cost_usd: toUsd(spent.cost) };
    const data = details === undefined ? told : { ...told, stop_details: details };
    return this.writer.end({ type: 'done', data }, () => this.settle(status, stopReason, code, spent));
  }

  private settle(
    status: RunOutcome,
    stopReason: string | null,
    code: string | null,
    spent: Spent,
  ): Promise<void> {
    const { runs, messages, frames } = this.dependencies;
    const end = { status, stopReason, errorCode: code, ...spent, lastEventId: this.writer.lastEventId ?? '' };
    const neverBegan = this.run.status === 'queued';
    return runs.settle(this.run, end, async (on, sent) => {
      if (neverBegan) return messages.withdraw(this.run, on, this.run.id);
      // Sent again it would be refused again, and every later message with it.
      if (code !== null && REFUSALS.has(code))
        await messages.markUnanswered(this.run, on, this.run.id, NOT_ACCEPTED);
      if (this.dependencies.mayHaveCalls()) await frames.delete(this.run, on, this.run.id);
      if (sent > 0) await this.keepInputs(on);
    });
  }

  /** What the user sent to a run that was stopped before it took it in stays in the conversation. */
  private async keepInputs(on: Queryable): Promise<void> {
    const { inputs, messages } = this.dependencies;
    const waiting = await inputs.list(this.run, on);
    if (waiting.length === 0) return;
    const { id: runId, sessionId, number: runNumber } = this.run;
    let position = (await messages.findLast(this.run, runId, on))?.position ?? -1;
    for (const { messageId: id, content } of waiting) {
      position += 1;
      const message = { id, sessionId, runId, runNumber, position, content };
      await messages.append(this.run, on, { ...message, role: 'user', hasParts: false, stopReason: null });
    }
    await inputs.delete(this.run, on, waiting);
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
    if (reason instanceof AppError) {
      return { error: reason.message, code: reason.code, retryable: reason.code === 'storage_full' };
    }
    this.dependencies.onUnexpected(reason, this.run);
    return { error: 'The server failed while it worked on this run.', code: 'internal', retryable: true };
  }
}
