import type { RenewedLease } from './lease.repository.js';

export interface LeaseKeeperDependencies {
  /** Prolongs leases; those missing in the answer are lost. */
  renew(ids: string[]): Promise<RenewedLease[]>;
  /** The runs that this process works on. */
  ids(): string[];
  onLost(id: string): void;
  onCancelRequested(id: string): void;
  onError(error: unknown): void;
  /** Milliseconds of a clock that never jumps. */
  now(): number;
}

/**
 * Renews the leases of this process at a third of their length. When two renewals in a row did not come through,
 * the process gives its runs up before the leases end, so that it never works beside their next owner.
 */
export class LeaseKeeper {
  private timer: NodeJS.Timeout | undefined;
  private lastRenewal = 0;
  private underWay = false;

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
    const { ids, now, onLost, onError } = this.dependencies;
    const held = ids();
    if (held.length === 0) this.lastRenewal = now();
    else if (now() - this.lastRenewal > (this.leaseMs * 3) / 4) for (const id of held) onLost(id);
    if (this.underWay || held.length === 0) return;
    this.underWay = true;
    try {
      await this.renew(held);
    } catch (error) {
      onError(error);
    } finally {
      this.underWay = false;
    }
  }

  private async renew(held: string[]): Promise<void> {
    const { renew, ids, now, onLost, onCancelRequested } = this.dependencies;
    const asked = now();
    const renewed = new Map((await renew(held)).map((lease) => [lease.id, lease]));
    this.lastRenewal = asked;
    const still = new Set(ids());
    for (const id of held) {
      const lease = renewed.get(id);
      if (lease === undefined && still.has(id)) onLost(id);
      if (lease?.cancelRequested === true) onCancelRequested(id);
    }
  }
}
