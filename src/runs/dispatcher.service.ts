import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { EventLog } from '../event-log/event-log.js';
import { LeaseKeeper } from './lease-keeper.js';
import { LeaseRepository } from './lease.repository.js';
import { RunListeners } from './listeners/run-listeners.service.js';
import type { LoopResult } from './loop/agent-loop.js';
import { AgentLoopFactory } from './loop/agent-loop-factory.service.js';
import type { Run } from './run.js';
import { RunStop } from './run-stop.js';
import { runsConfig, type RunsConfig } from './runs.config.js';

/** How often a process looks for runs that nobody told it of, in milliseconds. */
const LOOK_MS = 1_000;
const RETRY_CANCEL_MS = 50;

interface ActiveRun {
  run: Run;
  stop: AbortController;
  ended: Promise<void>;
}

/** Takes runs over as this process has room for them, works on them under a lease, and gives them back. */
@Injectable()
export class Dispatcher implements OnApplicationBootstrap {
  private readonly logger = new Logger('Dispatcher');
  private readonly active = new Map<string, ActiveRun>();
  private readonly keeper: LeaseKeeper;
  private claiming: Promise<void> | undefined;
  private moreToClaim = false;
  /** Runs that are being claimed: each takes a place already. */
  private arriving = 0;
  private draining = false;
  private look: NodeJS.Timeout | undefined;

  constructor(
    private readonly leases: LeaseRepository,
    private readonly log: EventLog,
    private readonly loops: AgentLoopFactory,
    private readonly listeners: RunListeners,
    @Inject(runsConfig.KEY) private readonly config: RunsConfig,
  ) {
    this.keeper = new LeaseKeeper(config.LEASE_MS, {
      renew: (ids) => leases.renew(ids),
      ids: () => [...this.active.keys()],
      onLost: (id) => this.active.get(id)?.stop.abort(new RunStop('lost')),
      onCancelRequested: (id) => this.active.get(id)?.stop.abort(new RunStop('cancel')),
      onError: (error) =>
        this.logger.error({ err: error }, 'Leases could not be renewed: is the database reachable?'),
      now: () => performance.now(),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.leases.releaseDead();
    this.keeper.start();
    this.look = setInterval(() => this.kick(), LOOK_MS);
    this.look.unref();
    this.kick();
  }

  /** Whether all runs are made and worked on here, so that nothing has to be looked for. */
  get isAlone(): boolean {
    return this.leases.isAlone;
  }

  get activeRuns(): number {
    return this.active.size;
  }

  /** Begins a run that this process has made, or leaves it in the queue. */
  async offer(run: Run): Promise<void> {
    if (this.hasRoom && (await this.take(() => this.leases.beginOwn(run.id)))) return;
    await this.leases.offerOwn(run.id);
    this.kick();
  }

  /** Looks for runs to take; many calls at once are one. */
  kick(): void {
    this.moreToClaim = true;
    this.claiming ??= this.claimAll()
      .catch((error: unknown) =>
        this.logger.error({ err: error }, 'No run could be claimed: is the database reachable?'),
      )
      .finally(() => {
        this.claiming = undefined;
        if (this.moreToClaim) this.kick();
      });
  }

  /**
   * Ends a run whose cancellation is on record: here, or, when no process holds it, by taking it.
   * A run that another process works on is ended by that process.
   * @returns once nothing of it can follow; the signal ends the wait.
   */
  async cancel(runId: string, isOver: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.claiming;
      const active = this.active.get(runId);
      if (active !== undefined) {
        active.stop.abort(new RunStop('cancel'));
        await Promise.race([active.ended, untilAborted(signal)]);
      }
      // What ended here may have been given up for another reason first: then it is still open.
      if (await isOver()) return;
      const claimed = await this.leases.claimToEnd(runId);
      if (claimed !== undefined) this.begin(claimed);
      else await delay(RETRY_CANCEL_MS);
    }
  }

  /** Claims nothing more; running runs stop at their next checkpoint, at the latest when the grace is over. */
  async drain(graceMs: number): Promise<void> {
    this.draining = true;
    clearInterval(this.look);
    const timer = setTimeout(() => {
      for (const { stop } of this.active.values()) stop.abort(new RunStop('shutdown'));
    }, graceMs);
    await this.claiming;
    while (this.active.size > 0) {
      await Promise.allSettled([...this.active.values()].map((active) => active.ended));
    }
    clearTimeout(timer);
    this.keeper.stop();
  }

  private get hasRoom(): boolean {
    return !this.draining && this.active.size + this.arriving < this.config.MAX_ACTIVE_RUNS;
  }

  private async claimAll(): Promise<void> {
    while (this.moreToClaim) {
      this.moreToClaim = false;
      let isTaken = true;
      while (isTaken && this.hasRoom) isTaken = await this.take(() => this.leases.claimNext());
    }
  }

  /** @returns whether there was a run. */
  private async take(claim: () => Promise<Run | undefined>): Promise<boolean> {
    this.arriving += 1;
    try {
      const run = await claim();
      if (run === undefined) return false;
      if (this.draining) await this.leases.release(run);
      else this.begin(run);
      return true;
    } finally {
      this.arriving -= 1;
    }
  }

  private begin(run: Run): void {
    const stop = new AbortController();
    if (run.cancelRequestedAt !== null) stop.abort(new RunStop('cancel'));
    const before = this.active.get(run.id);
    // Its lease ended unnoticed, and this process has claimed it anew: the attempt before must not write any more.
    before?.stop.abort(new RunStop('lost'));
    const ended = (before?.ended ?? Promise.resolve())
      .then(() => this.work(run, stop))
      .catch((error: unknown) =>
        this.logger.error({ err: error, run_id: run.id }, 'A run could not be worked on'),
      )
      .finally(() => {
        if (this.active.get(run.id)?.stop === stop) this.active.delete(run.id);
        this.kick();
      });
    this.active.set(run.id, { run, stop, ended });
  }

  private async work(run: Run, stop: AbortController): Promise<void> {
    const remainingMs = this.remainingMs(run);
    const timeout = () => stop.abort(new RunStop('timeout'));
    if (remainingMs === 0) timeout();
    const timer = setTimeout(timeout, remainingMs);
    timer.unref();
    try {
      const result = await this.loop(run, stop.signal);
      if (result === 'moved') await this.leases.release(run);
    } finally {
      clearTimeout(timer);
    }
  }

  private async loop(run: Run, signal: AbortSignal): Promise<LoopResult> {
    const writer = await this.log.writer(run.id, run.attempt);
    try {
      this.listeners.attach(run, writer.lastSeq);
      const either = AbortSignal.any([signal, writer.refused]);
      return await this.loops.create(run, writer, either, () => this.draining).execute();
    } finally {
      writer.close();
    }
  }

  /** Time counts from the first attempt on, by the database's clock, which the lease tells. */
  private remainingMs(run: Run): number {
    const now = (run.leaseUntil ?? 0) - this.config.LEASE_MS;
    const used = run.startedAt === null ? 0 : now - run.startedAt;
    return Math.max(0, this.config.RUN_TIMEOUT_MS - used);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
