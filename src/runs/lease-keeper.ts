import type { RenewedLease } from './lease.repository.js';

export interface LeaseKeeperDependencies {
  /** Prolongs leases; those missing in the answer are lost. */
  renew: (ids: string[]) => Promise<RenewedLease[]>;
  /** The runs that this process works on. */
  ids: () => string[];
  onLost: (id: string) => void;
  onCancelRequested: (id: string) => void;
  onError: (error: unknown) => void;
  /** Milliseconds of a clock that never jumps. */
  now: () => number;
}

/**
 * Renews the leases of this process at a third of their length. When two renewals in a row did not come through,
 * the process gives its runs up before the leases end, so that it never works beside their next owner.
 */
export class LeaseKeeper {
  private timer: NodeJS.Timeout | undefined;
  private lastRenewal = 0;
  /** When the renewal was asked for that is not answered yet. */
  private underWay: number | undefined;

  constructor(
    private readonly leaseMs: number,
    private readonly dependencies: LeaseKeeperDependencies,
  ) {}

  start(): void {
    this.lastRenewal = this.dependencies.now();
    this.timer = setInterval(() => void this.tick(), this.leaseMs / 3);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  async tick(): Promise<void> {
    const { ids, now, onError } = this.dependencies;
    const held = ids();
    if (held.length === 0) {
      this.lastRenewal = now();
      return;
    }
    const asked = now();
    if (this.underWay !== undefined && asked - this.underWay < this.leaseMs) return this.giveUp(held);
    this.underWay = asked;
    try {
      await this.renew(held, asked);
    } catch (error) {
      onError(error);
      this.giveUp(held);
    } finally {
      if (this.underWay === asked) this.underWay = undefined;
    }
  }

  /**
   * Called when a renewal has failed or is not answered; the second time in a row it is late. A process that stood
   * still does not come here before it has asked: when nobody took its runs meanwhile, it just goes on.
   */
  private giveUp(held: string[]): void {
    const { now, onLost } = this.dependencies;
    if (now() - this.lastRenewal > this.leaseMs / 2) for (const id of held) onLost(id);
  }

  private async renew(held: string[], asked: number): Promise<void> {
    const { renew, ids, onLost, onCancelRequested } = this.dependencies;
    const renewed = new Map((await renew(held)).map((lease) => [lease.id, lease]));
    this.lastRenewal = Math.max(this.lastRenewal, asked);
    const still = new Set(ids());
    for (const id of held) {
      const lease = renewed.get(id);
      if (lease === undefined && still.has(id)) onLost(id);
      if (lease?.cancelRequested === true) onCancelRequested(id);
    }
  }
}
