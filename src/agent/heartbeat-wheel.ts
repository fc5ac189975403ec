/** Slots a lap: a beat comes at most a twentieth of the period late. */
const SLOTS = 20;

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
