import { shareOf } from './share.js';

/** What a node asks for: slots beyond the `held` that it has. */
export interface SlotClaim {
  scope: string;
  limit: number;
  held: number;
  share: number;
}

/** Where all nodes write down how many slots they hold. A node that does not say that it is alive holds none. */
export interface SharedSlots {
  /** @returns how many were added; 0: there are none left. */
  claim(claim: SlotClaim): Promise<number>;
  /** This node holds so many from now on. */
  keep(scope: string, slots: number): Promise<void>;
}

interface Share {
  limit: number;
  /** Taken by somebody. */
  used: number;
  /** This node's. */
  mine: number;
  /** What the shared table says of it; NaN: not known. */
  written: number;
  /** Until then a claim that was given up may come through, whatever was written since. */
  doubtedUntil: number;
  /** Until then nobody has one. */
  fullUntil: number;
  /** Since when the node has more than it uses. */
  idleSince: number;
  busy: Promise<void> | undefined;
}

/** Milliseconds for which the shared table is not asked again after it had none left. */
const FULL_MS = 1_000;
/** Milliseconds for which a node keeps slots of a large limit that nobody uses: who left mostly comes back. */
const IDLE_MS = 10_000;
/** Milliseconds after which a claim that was given up has come through, or never will: longer than any statement. */
const DOUBT_MS = 10_000;

/**
 * How many of something may be open at the same time, by name, over all nodes. A node holds its share and hands it
 * out without asking; small limits are asked for one by one. Without a shared table this process is the only one.
 */
export class Slots {
  private readonly shares = new Map<string, Share>();

  /**
   * @param now milliseconds of a clock that never jumps.
   * @param onAway told when the shared table does not answer. This node goes on with the whole limit for itself.
   */
  constructor(
    private readonly now: () => number,
    private readonly shared?: SharedSlots,
    private readonly onAway: (error: unknown) => void = () => {},
  ) {}

  /** How many names are remembered. */
  get size(): number {
    return this.shares.size;
  }

  /** Takes a slot if there is one; each is given back once. */
  async take(scope: string, limit: number): Promise<boolean> {
    for (;;) {
      const share = this.shareOf(scope, limit);
      share.limit = limit;
      if (this.shared === undefined) share.mine = limit;
      if (share.used < share.mine) {
        share.used += 1;
        return true;
      }
      if (this.shared === undefined || this.now() < share.fullUntil) return false;
      share.busy ??= this.claim(scope, share, this.shared).finally(() => (share.busy = undefined));
      await share.busy;
    }
  }

  giveBack(scope: string): void {
    const share = this.shares.get(scope);
    if (share === undefined) return;
    share.used -= 1;
    share.idleSince = this.now();
    if (this.shared === undefined && share.used === 0) this.shares.delete(scope);
  }

  /** Gives what this node does not need to the others. To be called every now and then. */
  async settle(): Promise<void> {
    if (this.shared === undefined) return;
    for (const [scope, share] of Array.from(this.shares)) {
      if (share.busy !== undefined) continue;
      share.mine = worthKeeping(share, this.now());
      if (share.mine !== share.written) {
        share.busy = this.write(scope, share, this.shared).finally(() => (share.busy = undefined));
        await share.busy;
      }
      const isOver = share.used === 0 && share.mine === 0 && share.written === 0;
      if (isOver && share.busy === undefined) this.shares.delete(scope);
    }
  }

  /** Writes everything down anew: the others may have taken this node for dead. */
  async restore(): Promise<void> {
    for (const share of this.shares.values()) share.written = Number.NaN;
    await this.settle();
  }

  private async claim(scope: string, share: Share, shared: SharedSlots): Promise<void> {
    const { limit, mine: held } = share;
    try {
      const added = await shared.claim({ scope, limit, held, share: shareOf(limit) });
      share.mine += added;
      if (added === 0) share.fullUntil = this.now() + FULL_MS;
      else share.written = share.mine;
    } catch (error) {
      this.onAway(error);
      share.written = Number.NaN;
      share.doubtedUntil = this.now() + DOUBT_MS;
      if (share.mine < limit) share.mine = Math.min(limit, share.mine + shareOf(limit));
      else share.fullUntil = this.now() + FULL_MS;
    }
  }

  /** When this fails the others see what was there before, until it is tried again. */
  private async write(scope: string, share: Share, shared: SharedSlots): Promise<void> {
    try {
      await shared.keep(scope, share.mine);
      share.written = this.now() < share.doubtedUntil ? Number.NaN : share.mine;
    } catch (error) {
      this.onAway(error);
      share.written = Number.NaN;
    }
  }

  private shareOf(scope: string, limit: number): Share {
    let share = this.shares.get(scope);
    if (share === undefined) {
      share = {
        limit,
        used: 0,
        mine: 0,
        written: 0,
        doubtedUntil: 0,
        fullUntil: 0,
        idleSince: this.now(),
        busy: undefined,
      };
      this.shares.set(scope, share);
    }
    return share;
  }
}

function worthKeeping({ limit, used, mine, idleSince }: Share, now: number): number {
  const spare = shareOf(limit) - 1;
  if (used === 0 && (spare === 0 || now - idleSince >= IDLE_MS)) return 0;
  return Math.min(mine, used + spare);
}
