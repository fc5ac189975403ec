import { Injectable, Logger } from '@nestjs/common';
import { hasCode } from '../errors/app-error.js';
import { formatEventId } from '../event-log/event-id.js';
import { EventLog, type LogWriter } from '../event-log/event-log.js';
import { toUsd } from '../usage/cost.js';
import { MessageRepository } from '../sessions/message.repository.js';
import { introduction, isOpen, type Run, type RunOutcome } from './run.js';
import { RunRepository } from './run.repository.js';
import { rebuildEvents } from './loop/rebuilt-events.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';

/** A process that has not restored a log for so long leaves it to the next, in milliseconds. */
const RESTORE_MS = 10_000;
/** The log of no run is as long: whatever there is of it is less. */
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * Makes the log of a run that is over readable again when the store has forgotten it, by age or by accident: its
 * events are made anew from messages and tool calls, under a new attempt, so that no old cursor fits them.
 */
@Injectable()
export class LogRestorer {
  private readonly logger = new Logger('EventLog');
  private readonly underWay = new Map<string, Promise<Run>>();

  constructor(
    private readonly log: EventLog,
    private readonly runs: RunRepository,
    private readonly messages: MessageRepository,
    private readonly ledger: ToolLedgerRepository,
  ) {}

  /** @returns the run, as it is after its log was restored; the same when nothing was missing. */
  async ensure(run: Run): Promise<Run> {
    if (run.status === 'waiting') await this.wakeLost(run);
    if (isOpen(run.status)) return run;
    const end = await this.log.end(run.id);
    if (end?.type === 'done') return this.remember(run, formatEventId({ runId: run.id, ...end }));
    const underWay =
      this.underWay.get(run.id) ?? this.restore(run).finally(() => this.underWay.delete(run.id));
    this.underWay.set(run.id, underWay);
    return underWay;
  }

  /** Nobody works on a run that waits, so its log is missed by viewers alone: its next attempt writes it anew. */
  private async wakeLost(run: Run): Promise<void> {
    try {
      const end = await this.log.end(run.id);
      if ((end?.seq ?? 0) < run.checkpointSeq) await this.runs.wake(run);
    } catch (error) {
      // Nobody knows then whether it is lost; viewers wait for the store.
      if (!hasCode(error, 'unavailable')) throw error;
    }
  }

  /** A process has died after it had written the log anew, or has not come so far yet. */
  private async remember(run: Run, lastEventId: string): Promise<Run> {
    if (run.lastEventId === lastEventId) return run;
    await this.runs.saveLogEnd(run, lastEventId);
    return { ...run, lastEventId };
  }

  private async restore(run: Run): Promise<Run> {
    const reopened = await this.runs.reopenLog(run, RESTORE_MS);
    // Another process restores it: readers here wait for what that one writes.
    if (reopened === undefined) return run;
    this.logger.warn(
      { run_id: run.id },
      'The events of a run are gone: they are made again from its messages',
    );
    const writer = await this.log.writer(reopened.id, reopened.attempt, ALL);
    try {
      await this.write(reopened, writer);
      return { ...reopened, lastEventId: writer.lastEventId };
    } catch (error) {
      // So late that another process has begun to restore it.
      if (hasCode(error, 'fenced')) return run;
      throw error;
    } finally {
      writer.close();
    }
  }

  private async write(run: Run, writer: LogWriter): Promise<void> {
    const { errorCode } = run;
    await writer.append(introduction(run));
    const events = rebuildEvents(await this.messages.listOfRun(run, run.id), await this.ledger.list(run));
    for (const event of events) await writer.append(event);
    if (errorCode !== null) await writer.append(failure(errorCode));
    await writer.end(ending(run), () => this.runs.saveLogEnd(run, writer.lastEventId ?? ''));
  }
}

function failure(code: string) {
  const error = 'The run failed; its exact words are not kept.';
  return { type: 'error', data: { error, code, retryable: false } } as const;
}

function ending({ status, stopReason, usage, cost }: Run) {
  const data = { status: status as RunOutcome, stop_reason: stopReason, usage, cost_usd: toUsd(cost) };
  return { type: 'done', data } as const;
}
