import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { patient } from '../../database/patient.js';
import { AppError, hasCode } from '../../errors/app-error.js';
import type { SubAgentRequest, SubAgentResult } from '../../tools/tool.js';
import { Dispatcher } from '../dispatcher.service.js';
import { isOpen, type Run } from '../run.js';
import { RunStop } from '../run-stop.js';
import { runsConfig, type RunsConfig } from '../runs.config.js';
import { RunsService } from '../runs.service.js';
import { SubAgents } from '../sub-agents.js';
import { ChildReports } from './child-reports.service.js';
import { ChildRunRepository } from './child-run.repository.js';
import { ChildStarter } from './child-starter.service.js';

/** How often a run looks for the end of a child that another process works on, in milliseconds. */
const LOOK_MS = 500;

/** A run that waits for a child. */
interface Wait {
  stop: AbortController;
  ended: Promise<unknown>;
}

/** Sub-agents are runs of their own: with a session, a log and viewers like any other, and bound to their parent. */
@Injectable()
export class ChildRuns extends SubAgents {
  /** By parent. */
  private readonly waits = new Map<string, Set<Wait>>();
  private readonly starter: ChildStarter;
  private readonly reports: ChildReports;

  constructor(
    starter: ChildStarter,
    reports: ChildReports,
    private readonly children: ChildRunRepository,
    private readonly runs: RunsService,
    private readonly dispatcher: Dispatcher,
    @Inject(runsConfig.KEY) { LEASE_MS }: Pick<RunsConfig, 'LEASE_MS'>,
  ) {
    super();
    this.starter = patient(starter, LEASE_MS, sleep);
    this.reports = patient(reports, LEASE_MS, sleep);
  }

  override start(...call: Parameters<SubAgents['start']>): Promise<SubAgentResult> {
    const report = this.wait(...call);
    // A tool that does not wait for it must not take the process with it.
    report.catch(() => undefined);
    return report;
  }

  override async agentsAbove(run: Run): Promise<(string | null)[]> {
    return run.parent === null ? [] : this.children.agentsAbove(run);
  }

  override async endAll(parent: Pick<Run, 'id' | 'tenantId'>): Promise<void> {
    const waits = [...(this.waits.get(parent.id) ?? [])];
    for (const { stop } of waits) stop.abort(new RunStop('cancel'));
    await Promise.allSettled(waits.map(({ ended }) => ended));
    const open = await this.children.listOpen(parent);
    await Promise.all(open.map((child) => this.end(child)));
  }

  private async wait(
    parent: Run,
    callId: string,
    request: SubAgentRequest,
    signal: AbortSignal,
  ): Promise<SubAgentResult> {
    signal.throwIfAborted();
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const id = request.key === undefined ? callId : `${callId}.${request.key}`;
    const ended = this.follow(parent, id, request, stop.signal);
    const forget = this.remember(parent.id, { stop, ended });
    try {
      return await ended;
    } finally {
      signal.removeEventListener('abort', onAbort);
      forget();
    }
  }

  private async follow(
    parent: Run,
    callId: string,
    request: SubAgentRequest,
    signal: AbortSignal,
  ): Promise<SubAgentResult> {
    const { child, isNew } = await this.starter.findOrCreate(parent, callId, request);
    if (isNew) await this.begin(child);
    const over = isOpen(child.status) ? await this.untilOver(child, signal) : child;
    if (over !== undefined) return this.reports.of(over);
    if (!staysWhen(signal.reason)) await this.end(child);
    throw signal.reason;
  }

  /** Should it fail, the child is taken up by whoever comes first once its lease is over. */
  private async begin(child: Run): Promise<void> {
    try {
      await this.runs.beginChild(child);
    } catch (error) {
      if (!hasCode(error, 'unavailable')) throw error;
    }
  }

  /** @returns undefined when the signal was aborted first. */
  private async untilOver(child: Run, signal: AbortSignal): Promise<Run | undefined> {
    const aborted = once(signal);
    while (!signal.aborted) {
      const work = this.dispatcher.workOn(child.id);
      await (work === undefined ? pause(signal) : Promise.race([work, aborted]));
      if (signal.aborted) break;
      const run = await this.look(child);
      if (run !== undefined && !isOpen(run.status)) return run;
      if (work === undefined) await this.adopt(child);
    }
    return undefined;
  }

  /** A store that is away is asked again later: whether this process may wait for so long, its own lease says. */
  private async look(child: Run): Promise<Run | undefined> {
    try {
      return await this.runs.find(child, child.id);
    } catch (error) {
      if (hasCode(error, 'unavailable')) return undefined;
      throw error;
    }
  }

  private async adopt(child: Run): Promise<void> {
    try {
      await this.dispatcher.adopt(child.id);
    } catch (error) {
      if (!hasCode(error, 'unavailable')) throw error;
    }
  }

  /** @returns once nothing of it can follow. */
  private async end(child: Run): Promise<void> {
    try {
      await this.runs.cancel(child, child.id);
    } catch (error) {
      if (!hasCode(error, 'not_found')) throw error;
    }
  }

  private remember(parentId: string, wait: Wait): () => void {
    const waits = this.waits.get(parentId) ?? new Set();
    this.waits.set(parentId, waits.add(wait));
    return () => {
      waits.delete(wait);
      if (waits.size === 0 && this.waits.get(parentId) === waits) this.waits.delete(parentId);
    };
  }
}

/**
 * Whether a child goes on although its parent's wait was aborted: another attempt of the parent finds it again. Errors
 * of the stores are no end of the parent either.
 */
function staysWhen(reason: unknown): boolean {
  if (reason instanceof RunStop) return reason.kind === 'lost' || reason.kind === 'shutdown';
  return reason instanceof AppError;
}

function once(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await sleep(LOOK_MS, undefined, { signal, ref: false });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
