import { Injectable, Logger } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { isId } from '../database/ids.js';
import { AppError, hasCode } from '../errors/app-error.js';
import type { Usage } from '../event-log/run-event.js';
import { requireOwn } from '../sessions/session.js';
import { Dispatcher } from './dispatcher.service.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';
import { ModelChoice } from './model-choice.service.js';
import { NextRuns } from './next-runs.service.js';
import { isOpen, type Run } from './run.js';
import { RunRepository } from './run.repository.js';
import { type RunStart, RunStarter } from './run-starter.service.js';

/** Longest wait for a run to end after its cancellation, in milliseconds. */
const CANCEL_WAIT_MS = 30_000;
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
  private readonly logger = new Logger('RunsService');

  constructor(
    private readonly starter: RunStarter,
    private readonly runs: RunRepository,
    private readonly ledger: ToolLedgerRepository,
    private readonly dispatcher: Dispatcher,
    private readonly next: NextRuns,
    private readonly models: ModelChoice,
  ) {}

  /** Puts a run into the queue and tells its viewers; it begins at once when nothing is before it. */
  async start(start: RunStart): Promise<Run> {
    // Also where the message joins a run that is there, and its agent works on.
    if (typeof start.agent === 'string') this.models.for(start.agent, null);
    const created = await this.starter.create(start, (asked, agent) => this.models.for(agent, asked));
    if ('existing' in created) return this.find(start.principal, created.existing);
    const { run } = created;
    try {
      await this.starter.announce(run);
      this.next.tell(run.sessionId);
      if (start.whenBusy === 'interrupt') await this.cancelBefore(run);
      return (await this.dispatcher.offer(run)) ?? (await this.find(start.principal, run.id));
    } catch (error) {
      // It is in the queue: whoever can reach the stores begins it, at the latest when its maker's lease is over.
      if (!hasCode(error, 'unavailable')) throw error;
      this.logger.warn({ err: error, run_id: run.id }, 'A run was stored, but cannot begin yet');
      return run;
    }
  }

  /** Begins a run that another one of this process waits for: also when there is no room for more. */
  async beginChild(run: Run): Promise<void> {
    await this.starter.announce(run);
    await this.dispatcher.offerChild(run);
  }

  /** @throws AppError `not_found`, also for the run of somebody else; `forbidden` for one that others show. */
  async find(owner: Owner, id: string): Promise<Run> {
    return requireOwn(owner, await this.see(owner, id));
  }

  /** The caller's run that was started with this idempotency key; undefined: none that is remembered. */
  async startedWith(owner: Owner, key: string): Promise<Run | undefined> {
    const id = await this.starter.startedWith(owner, key);
    return id === undefined ? undefined : this.runs.find(owner, id);
  }

  /** The run, also for whom its session is shown to. @throws AppError `not_found`. */
  async see(owner: Owner, id: string): Promise<Run> {
    const run = isId('run', id) ? await this.runs.see(owner, id) : undefined;
    if (run === undefined) throw new AppError('not_found', 'There is no such run.');
    return run;
  }

  /** The runs of its sub-agents, the first one first. @throws AppError `not_found`. */
  async listSubAgents(owner: Owner, id: string): Promise<Run[]> {
    return this.starter.startedBy(await this.see(owner, id));
  }

  /** Ends a run, wherever it is. A run that is over stays as it is. */
  async cancel(owner: Owner, id: string): Promise<CancelReceipt> {
    const run = await this.find(owner, id);
    if (isOpen(run.status)) await this.end(run);
    return this.receipt(await this.find(owner, id));
  }

  /**
   * Ends what is open in a session, the last first, so that none begins in between, and deletes all of it, with the
   * sessions of its sub-agents.
   */
  async remove(owner: Owner, sessionId: string): Promise<void> {
    const all = await this.starter.withSubAgents(sessionId);
    for (const id of all) {
      const open = await this.runs.listOpen(owner, id);
      for (const run of open.toReversed()) await this.end(run);
    }
    await this.starter.remove(owner, sessionId);
    for (const id of all) this.next.tell(id);
  }

  private async cancelBefore(run: Run): Promise<void> {
    const open = await this.runs.listOpen(run, run.sessionId);
    for (const other of open.filter(({ number }) => number < run.number).toReversed()) await this.end(other);
  }

  private async end(run: Run): Promise<void> {
    await this.runs.requestCancel(run);
    const isOver = async () => !isOpen((await this.find(run, run.id)).status);
    await this.dispatcher.cancel(run.id, isOver, AbortSignal.timeout(CANCEL_WAIT_MS));
    if (await isOver()) return;
    throw new AppError('unavailable', 'The run is being cancelled, but has not ended yet: ask again.', {
      retryAfter: 5,
    });
  }

  private async receipt(run: Run): Promise<CancelReceipt> {
    const calls = await this.ledger.list(run);
    return {
      runId: run.id,
      status: run.status,
      lastEventId: run.lastEventId,
      usage: run.usage,
      toolCalls: calls.map(({ toolCallId, name, state }) => ({ id: toolCallId, name, state })),
    };
  }
}
