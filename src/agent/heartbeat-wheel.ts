/** Slots a lap: a beat comes at most one of them late, and a turn is short, however many beat. */
const SLOTS = { least: 20, most: 150 };
/** No turn is shorter, in milliseconds, but for the least slots. */
const TURN_MS = 20;

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
  private beat: (() => void) | undefined;

  constructor(
    beat: () => void,
    private readonly wheel: Pick<HeartbeatWheel, 'turn' | 'lap'>,
    /** Turns by which the first beat after a write comes early. */
    private readonly early: number,
  ) {
    this.beat = beat;
    this.touch();
  }

  /**
   * Something was written: the next beat is up to a period away. All viewers of a run are written to at once, so each
   * is early by another time, or they would all beat at once as well.
   */
  touch(): void {
    this.due = this.wheel.turn + this.wheel.lap - this.early;
  }

  /** Beats if it is due. @returns whether it beat. */
  look(): boolean {
    if (this.due > this.wheel.turn) return false;
    this.beat?.();
    this.due = this.wheel.turn + this.wheel.lap;
    return true;
  }

  get isRemoved(): boolean {
    return this.beat === undefined;
  }

  /** It stays in its slot until that is looked at, and holds nothing meanwhile. */
  remove(): void {
    this.beat = undefined;
  }
}

/**
 * One timer for the heartbeats of all connections. Each stands in the slot in which it is looked at next, so a turn
 * of the timer looks at few of them, and connections written to since are passed over without a write.
 */
export class HeartbeatWheel {
  turn = 0;
  /** Turns of a period. */
  readonly lap: number;
  private readonly slots: Beating[][];
  private readonly timer: NodeJS.Timeout;

  /**
   * @param onBeat called with each beat, for who counts them.
   * @param random from 0 up to 1: by how much of half a period each connection is early.
   */
  constructor(
    periodMs: number,
    private readonly onBeat: () => void = () => {},
    private readonly random: () => number = Math.random,
  ) {
    this.lap = Math.max(SLOTS.least, Math.min(SLOTS.most, Math.floor(periodMs / TURN_MS)));
    this.slots = Array.from({ length: this.lap + 1 }, () => []);
    this.timer = setInterval(() => this.advance(), periodMs / this.lap).unref();
  }

  /** @param beat called after silence of a period at most, and again after each further period. Must not throw. */
  add(beat: () => void): Beating {
    const beating = new Beating(beat, this, Math.floor((this.random() * this.lap) / 2));
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
      if (beating.look()) this.onBeat();
      this.place(beating);
    }
  }

  private place(beating: Beating): void {
    this.slots[beating.due % this.slots.length]?.push(beating);
  }
}
