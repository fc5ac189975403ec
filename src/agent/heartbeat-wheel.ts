/** Slots a lap: a beat comes at most a twentieth of the period late. */
const SLOTS = 20;

/** Beats in a row at which a peer has taken nothing of what waits for it, after which it counts as gone. */
const PATIENCE = 3;

/**
 * Tells a peer that is gone from one that is slow, when bytes wait for it: one whose connection was lost without a
 * word takes none. What the kernel holds for it is taken, too: a peer with no more than that to read is never gone.
 */
export class Patience {
  private beats = 0;
  private taken = 0;

  /**
   * To be asked at each beat.
   * @param pending bytes that wait now.
   * @param taken grows with each byte that is taken.
   * @returns whether the peer has taken nothing for more than two periods, and three at most.
   */
  isOver(pending: number, taken: number): boolean {
    if (pending === 0) this.beats = 0;
    else this.beats = taken === this.taken ? this.beats + 1 : 1;
    this.taken = taken;
    return this.beats >= PATIENCE;
  }
}

/** A connection on the wheel. */
export class Beating {
  /** The turn in which its next beat is due. */
  due = 0;
  isRemoved = false;

  constructor(
    readonly beat: () => void,
    private readonly wheel: { readonly turn: number },
  ) {
    this.touch();
  }

  /** Something was written: the next beat is a whole period away. */
  touch(): void {
    this.due = this.wheel.turn + SLOTS;
  }

  remove(): void {
    this.isRemoved = true;
  }
}

/**
 * One timer for the heartbeats of all connections. Each stands in the slot in which it is looked at next, so a turn
 * of the timer looks at about a twentieth of them, and connections written to since are passed over without a write.
 */
export class HeartbeatWheel {
  turn = 0;
  private readonly slots: Beating[][] = Array.from({ length: SLOTS + 1 }, () => []);
  private readonly timer: NodeJS.Timeout;

  /** @param onBeat called with each beat, for who counts them. */
  constructor(
    periodMs: number,
    private readonly onBeat: () => void = () => {},
  ) {
    this.timer = setInterval(() => this.advance(), periodMs / SLOTS).unref();
  }

  /** @param beat called after a period of silence, and again after each further one. Must not throw. */
  add(beat: () => void): Beating {
    const beating = new Beating(beat, this);
    this.place(beating);
    return beating;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** One turn of the timer. */
  advance(): void {
    this.turn += 1;
    const index = this.turn % this.slots.length;
    const looked = this.slots[index] ?? [];
    this.slots[index] = [];
    for (const beating of looked) {
      if (beating.isRemoved) continue;
      if (beating.due <= this.turn) {
        beating.beat();
        beating.touch();
        this.onBeat();
      }
      this.place(beating);
    }
  }

  private place(beating: Beating): void {
    this.slots[beating.due % this.slots.length]?.push(beating);
  }
}
