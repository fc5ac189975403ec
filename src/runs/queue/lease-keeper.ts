import type { RenewedLease } from './lease.repository.js';

/** The lease of a run that this process works on. */
export interface HeldLease {
  readonly id: string;
  /** When the database was asked for it, the last time that it said yes; by the clock of `now`. */
  leasedAt: number;
}

export interface LeaseKeeperDependencies {
  /** Prolongs leases; those missing in the answer are lost. */
  renew: (ids: string[]) => Promise<RenewedLease[]>;
  /** What this process holds. */
  held: () => HeldLease[];
  onLost: (id: string) => void;
  onCancelRequested: (id: string) => void;
  onError: (error: unknown) => void;
  /** Milliseconds of a clock that never jumps. */
  now: () => number;
}

/**
 * Renews the leases of this process at a third of their length. A run whose lease could not be prolonged twice in
 * a row is given up before the lease ends, so that the process never works beside the next owner. A lease counts
 * from the moment it was asked for: the answer may have been under way for long.
 */
export class LeaseKeeper {
  private timer: NodeJS.Timeout | undefined;
  /** When the renewal was asked for that is not answered yet. */
  private underWay: number | undefined;

  constructor(
    private readonly leaseMs: number,
    private readonly dependencies: LeaseKeeperDependencies,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.tick(), this.leaseMs / 3);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Whether a lease that was asked for then is long enough to begin with. */
  isFresh(leasedAt: number): boolean {
    return this.dependencies.now() - leasedAt < this.leaseMs / 3;
  }

  async tick(): Promise<void> {
    const { held, now, onError } = this.dependencies;
    const leases = held();
    if (leases.length === 0) return;
    const asked = now();
    if (this.underWay !== undefined && asked - this.underWay < this.leaseMs) return this.giveUp(leases);
    this.underWay = asked;
    try {
      await this.renew(leases, asked);
    } catch (error) {
      onError(error);
      this.giveUp(leases);
    } finally {
      if (this.underWay === asked) this.underWay = undefined;
    }
  }

  /**
   * Called when a renewal has failed or is not answered; the second time in a row it is late. A process that stood
   * still does not come here before it has asked: when nobody took its runs meanwhile, it just goes on.
   */
  private giveUp(leases: HeldLease[]): void {
    const { now, onLost } = this.dependencies;
    const late = now() - this.leaseMs / 2;
    for (const { id, leasedAt } of leases) if (leasedAt < late) onLost(id);
  }

  private async renew(leases: HeldLease[], asked: number): Promise<void> {
    const { renew, held, onLost, onCancelRequested } = this.dependencies;
    const renewed = new Map((await renew(leases.map(({ id }) => id))).map((lease) => [lease.id, lease]));
    const still = new Set(held());
    for (const lease of leases) {
      const answer = renewed.get(lease.id);
      if (answer !== undefined) lease.leasedAt = Math.max(lease.leasedAt, asked);
      else if (still.has(lease)) onLost(lease.id);
      if (answer?.cancelRequested === true) onCancelRequested(lease.id);
    }
  }
}
