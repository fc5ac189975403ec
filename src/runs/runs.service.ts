import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError } from '../errors/app-error.js';
import { EventLog } from '../event-log/event-log.js';
import type { Usage } from '../event-log/run-event.js';
import { LanguageModel } from '../model/language-model.js';
import { Dispatcher } from './dispatcher.service.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';
import { isOpen, type Run } from './run.js';
import { RunRepository } from './run.repository.js';
import { type RunStart, RunStarter } from './run-starter.service.js';
import { SessionBell } from './session-bell.js';

/** Longest wait for a run to end after its cancellation, in milliseconds. */
const CANCEL_WAIT_MS = 30_000;
/** Where other processes make runs too, who waits for the next looks into the database this often, in milliseconds. */
const LOOK_AGAIN_MS = 1_000;

/** What a cancelled run had done: sent when nothing of it can follow any more. */
export interface CancelReceipt {
  runId: string;
  status: Run['status'];
  lastEventId: string | null;
  usage: Usage;
  toolCalls: { id: string; name: string; state: string }[];
}

/** Runs as those see them who start, watch and end them. */
@Injectable()
export class RunsService {
  private readonly bell = new SessionBell();

  constructor(
    private readonly starter: RunStarter,
    private readonly runs: RunRepository,
    private readonly ledger: ToolLedgerRepository,
    private readonly dispatcher: Dispatcher,
    private readonly log: EventLog,
    private readonly model: LanguageModel,
  ) {}

  /** Puts a run into the queue and tells its viewers; it begins at once when nothing is before it. */
  async start(start: RunStart): Promise<Run> {
    const created = await this.starter.create(start, (asked) => this.model.resolve(asked));
    if ('startedBefore' in created) return this.find(start.principal, created.startedBefore);
    const { run } = created;
    await this.announce(run);
    this.bell.ring(run.sessionId);
    if (start.whenBusy === 'interrupt') await this.cancelBefore(run);
    await this.dispatcher.offer(run);
    return this.find(start.principal, run.id);
  }

  /** @throws AppError `not_found`, also for the run of somebody else. */
  async find(owner: Owner, id: string): Promise<Run> {
    const run = isId('run', id) ? await this.runs.find(owner, id) : undefined;
    if (run === undefined) throw new AppError('not_found', 'There is no such run.');
    return run;
  }

  /** Ends a run, wherever it is. A run that is over stays as it is. */
  async cancel(owner: Owner, id: string): Promise<CancelReceipt> {
    const run = await this.find(owner, id);
    if (isOpen(run.status)) await this.end(run);
    return this.receipt(await this.find(owner, id));
  }

  /** Ends what is open in a session, the last first, so that none begins in between, and deletes all of it. */
  async remove(owner: Owner, sessionId: string): Promise<void> {
    const open = await this.runs.listOpen(sessionId);
    for (const run of open.toReversed()) await this.end(run);
    for (const run of await this.runs.list(sessionId)) await this.log.remove(run.id);
    await this.starter.remove(owner, sessionId);
    this.bell.ring(sessionId);
  }

  /**
   * The session's next run after a number, when there is one or as soon as there is; undefined once aborted or
   * when the session is deleted.
   */
  async waitForNext(sessionId: string, after: number, signal: AbortSignal): Promise<Run | undefined> {
    while (!signal.aborted) {
      const listening = this.bell.listen(
        sessionId,
        signal,
        this.dispatcher.isAlone ? undefined : LOOK_AGAIN_MS,
      );
      try {
        const run = await this.runs.findNext(sessionId, after);
        if (run !== undefined) return run;
        if (!(await this.starter.hasSession(sessionId))) return undefined;
        await listening.rung;
      } finally {
        listening.stop();
      }
    }
    return undefined;
  }

  /** A process so slow that another has the run by now leaves it to that one. */
  private async announce(run: Run): Promise<void> {
    const writer = await this.log.writer(run.id, run.attempt);
    const { id, sessionId, status, attempt, model } = run;
    try {
      await writer.append({
        type: 'run',
        data: { run_id: id, session_id: sessionId, status, attempt, model },
      });
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'fenced')) throw error;
    } finally {
      writer.close();
    }
  }

  private async cancelBefore(run: Run): Promise<void> {
    const open = await this.runs.listOpen(run.sessionId);
    for (const other of open.filter(({ number }) => number < run.number).toReversed()) await this.end(other);
  }

  private async end(run: Run): Promise<void> {
    await this.runs.requestCancel(run.id);
    const isOver = async () => !isOpen((await this.find(run, run.id)).status);
    await this.dispatcher.cancel(run.id, isOver, AbortSignal.timeout(CANCEL_WAIT_MS));
    if (await isOver()) return;
    throw new AppError('unavailable', 'The run is being cancelled, but has not ended yet: ask again.', {
      retryAfter: 5,
    });
  }

  private async receipt(run: Run): Promise<CancelReceipt> {
    const calls = await this.ledger.list(run.id);
    return {
      runId: run.id,
      status: run.status,
      lastEventId: run.lastEventId,
      usage: run.usage,
      toolCalls: calls.map(({ toolCallId, name, state }) => ({ id: toolCallId, name, state })),
    };
  }
}
