import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { hasCode } from '../errors/app-error.js';
import { type HeldLease, LeaseKeeper } from './queue/lease-keeper.js';
import { LeaseRepository } from './queue/lease.repository.js';
import { RunAttempts } from './run-attempts.service.js';
import type { Run } from './run.js';
import { RunStop } from './run-stop.js';
import { runsConfig, type RunsConfig } from './runs.config.js';

/** How often a process looks for runs that nobody told it of, in milliseconds. */
const LOOK_MS = 1_000;
const RETRY_CANCEL_MS = 50;
/** After this process could not reach the log, others may take the runs for so long, in milliseconds. */
const PAUSE_MS = 2_000;

interface ActiveRun extends HeldLease {
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
  /** Whether the end of a run may let another begin that waits in the queue. */
  private mayBeQueued = true;
  /** Runs that are being claimed: each takes a place already. */
  private arriving = 0;
  private draining = false;
  /** Leases of the process before stand in the way still. */
  private isAmongDead = false;
  private pausedUntil = 0;
  private look: NodeJS.Timeout | undefined;

  constructor(
    private readonly leases: LeaseRepository,
    private readonly attempts: RunAttempts,
    @Inject(runsConfig.KEY) private readonly config: RunsConfig,
  ) {
    this.keeper = new LeaseKeeper(config.LEASE_MS, {
      renew: (ids) => leases.renew(ids),
      held: () => [...this.active.values()],
      onLost: (id) => this.lose(id),
      onCancelRequested: (id) => this.stop(id),
      onError: (error) =>
        this.logger.error({ err: error }, 'Leases could not be renewed: is the database reachable?'),
      now: () => performance.now(),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.isAmongDead = true;
    await this.releaseDead().catch((error: unknown) => {
      if (!hasCode(error, 'storage_full')) throw error;
      this.logger.error({ err: error }, 'There is no space left: runs go on when there is');
    });
    const { notices } = this.leases;
    notices.listen('queue', () => this.kick());
    notices.listen('cancel', (ids) => {
      if (ids === 'unknown') void this.keeper.tick();
      else for (const id of ids) this.stop(id);
    });
    this.keeper.start();
    this.look = setInterval(() => this.kick(), LOOK_MS);
    this.look.unref();
    this.kick();
  }

  get activeRuns(): number {
    return this.active.size;
  }

  /** Begins a run that this process has made, or leaves it in the queue. @returns the run when it has begun here. */
  async offer(run: Run): Promise<Run | undefined> {
    const begun = this.hasRoom ? await this.take(() => this.leases.beginOwn(run.id)) : undefined;
    if (begun !== undefined) return begun;
    await this.leases.offerOwn(run.id);
    this.leases.notices.send('queue', run.id);
    this.kick();
    return undefined;
  }

  /** The same for a run that another one here waits for: also when there is no room, or both could wait for ever. */
  async offerChild(run: Run): Promise<void> {
    if (this.isReady && (await this.take(() => this.leases.beginOwn(run.id)))) return;
    await this.leases.offerOwn(run.id);
    this.mayBeQueued = true;
    this.leases.notices.send('queue', run.id);
  }

  /** Goes on with a run that another one here waits for, when no process holds it. */
  async adopt(runId: string): Promise<void> {
    if (this.isReady && !this.active.has(runId)) await this.take(() => this.leases.claim(runId));
  }

  /** The end of this process's work on a run; undefined when it does not work on it. */
  workOn(runId: string): Promise<void> | undefined {
    return this.active.get(runId)?.ended;
  }

  /** A run that has waited may go on: whichever process is first takes it. */
  wake(runId: string): void {
    this.leases.notices.send('queue', runId);
    this.kick();
  }

  /** Looks for runs to take; many calls at once are one. */
  kick(): void {
    this.moreToClaim = true;
    this.mayBeQueued = true;
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
    this.leases.notices.send('cancel', runId);
    while (!signal.aborted) {
      await this.claiming;
      const active = this.active.get(runId);
      if (active !== undefined) {
        active.stop.abort(new RunStop('cancel'));
        await Promise.race([active.ended, untilAborted(signal)]);
      }
      // What ended here may have been given up for another reason first: then it is still open.
      if (await isOver()) return;
      const taken = await this.take(() => this.leases.claimToEnd(runId), 'also now');
      if (taken === undefined) await delay(RETRY_CANCEL_MS);
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

  private get isReady(): boolean {
    return !this.draining && performance.now() >= this.pausedUntil;
  }

  private get hasRoom(): boolean {
    return this.isReady && this.active.size + this.arriving < this.config.MAX_ACTIVE_RUNS;
  }

  private async releaseDead(): Promise<void> {
    if (!this.isAmongDead) return;
    await this.leases.releaseDead();
    this.isAmongDead = false;
  }

  private async claimAll(): Promise<void> {
    while (this.moreToClaim) {
      this.moreToClaim = false;
      await this.releaseDead();
      while (this.hasRoom) {
        const taken = await this.take(() => this.leases.claimNext([...this.active.keys()]));
        if (taken === undefined) break;
      }
      // Where others make runs too, it is only known by asking; and without room it was not asked for all.
      const isQueued = !this.leases.isAlone || !this.hasRoom || (await this.leases.hasQueued());
      this.mayBeQueued = this.moreToClaim || isQueued;
    }
  }

  /**
   * @param draining whether to begin with a run while this process is on its way out.
   * @returns the run, where there was one.
   */
  private async take(
    claim: () => Promise<Run | undefined>,
    draining: 'not now' | 'also now' = 'not now',
  ): Promise<Run | undefined> {
    this.arriving += 1;
    try {
      const asked = performance.now();
      const run = await claim();
      if (run === undefined) return undefined;
      const isLate = (this.draining && draining === 'not now') || !this.keeper.isFresh(asked);
      if (isLate) await this.giveBack(run);
      else this.begin(run, asked);
      return run;
    } finally {
      this.arriving -= 1;
    }
  }

  private begin(run: Run, leasedAt: number): void {
    const stop = new AbortController();
    if (run.cancelRequestedAt !== null) stop.abort(new RunStop('cancel'));
    const ended = this.work(run, stop)
      .catch((error: unknown) =>
        this.logger.error({ err: error, run_id: run.id }, 'A run could not be worked on'),
      )
      .finally(() => {
        this.active.delete(run.id);
        if (this.mayBeQueued) this.kick();
      });
    this.active.set(run.id, { id: run.id, leasedAt, stop, ended });
  }

  private async work(run: Run, stop: AbortController): Promise<void> {
    const remainingMs = this.remainingMs(run);
    const timeout = () => stop.abort(new RunStop('timeout'));
    if (remainingMs === 0) timeout();
    const timer = setTimeout(timeout, remainingMs);
    timer.unref();
    try {
      const result = await this.attempts.execute(run, stop.signal, () => this.isMoving(run));
      if (result === 'away') this.pausedUntil = performance.now() + PAUSE_MS;
      if (result === 'moved' || result === 'away') await this.giveBack(run);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What another run here waits for is part of that one's step: the two go on for as long as steps may. */
  private isMoving({ parent }: Run): boolean {
    return this.draining && !(parent !== null && this.active.has(parent.runId));
  }

  /** Any process can go on with the run at once; when that cannot be said, then after its lease. */
  private async giveBack(run: Run): Promise<void> {
    try {
      await this.leases.release(run);
      this.mayBeQueued = true;
      this.leases.notices.send('queue', run.id);
    } catch (error) {
      if (!hasCode(error, 'unavailable')) throw error;
    }
  }

  private stop(id: string): void {
    this.active.get(id)?.stop.abort(new RunStop('cancel'));
  }

  /** Where no other process can take it, a run is not lost by a lease that could not be prolonged. */
  private lose(id: string): void {
    if (!this.leases.isAlone) this.active.get(id)?.stop.abort(new RunStop('lost'));
  }

  /** Time counts from the first attempt on, by the database's clock, which the lease tells. */
  private remainingMs(run: Run): number {
    const now = (run.leaseUntil ?? 0) - this.config.LEASE_MS;
    const used = run.startedAt === null ? 0 : now - run.startedAt - run.waitedMs;
    return Math.max(0, this.config.RUN_TIMEOUT_MS - used);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
