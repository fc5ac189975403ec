import { HOLDER_MS, type LimitRepository } from './limit.repository.js';
import type { SharedSlots, SlotClaim, Slots } from './slots.js';

const BEAT_MS = HOLDER_MS / 3;
/** Milliseconds after which what was given back is there for other nodes. */
const SETTLE_MS = 250;

/** This process as one that holds slots: it says that it is alive as long as it holds some. */
export class SharedHolding implements SharedSlots {
  private slots: Slots | undefined;
  private beating: NodeJS.Timeout | undefined;
  private settling: NodeJS.Timeout | undefined;
  private lastBeat = -Infinity;

  constructor(
    private readonly repository: LimitRepository,
    private readonly id: string,
    private readonly now: () => number,
    private readonly onAway: (error: unknown) => void,
  ) {}

  serve(slots: Slots): void {
    this.slots = slots;
  }

  readonly claim = async (claim: SlotClaim): Promise<number> => {
    if (this.now() - this.lastBeat >= BEAT_MS * 2) await this.beat();
    this.beating ??= setInterval(() => void this.tick(), BEAT_MS).unref();
    return this.repository.claim(this.id, claim);
  };

  readonly keep = (scope: string, slots: number): Promise<void> =>
    this.repository.keep(this.id, scope, slots);

  /** Somebody has given slots back. */
  released(): void {
    this.settling ??= setTimeout(() => {
      this.settling = undefined;
      void this.slots?.settle();
    }, SETTLE_MS).unref();
  }

  /** Others may have at once what this process held; should they not hear of it, they have it when it counts as dead. */
  async leave(): Promise<void> {
    const wasHolding = this.lastBeat !== -Infinity;
    this.stop();
    if (wasHolding) await this.repository.leave(this.id).catch(this.onAway);
  }

  private stop(): void {
    clearInterval(this.beating);
    clearTimeout(this.settling);
    this.beating = undefined;
    this.settling = undefined;
  }

  private async tick(): Promise<void> {
    try {
      await this.slots?.settle();
      if (this.slots?.size === 0) return this.stop();
      const isLate = this.now() - this.lastBeat > HOLDER_MS;
      await this.beat();
      if (isLate) await this.slots?.restore();
    } catch (error) {
      this.onAway(error);
    }
  }

  private async beat(): Promise<void> {
    const beganAt = this.now();
    await this.repository.beat(this.id);
    this.lastBeat = beganAt;
  }
}
