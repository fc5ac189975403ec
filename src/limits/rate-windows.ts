import { grantOf, shareOf } from './share.js';

/** What a node asks the shared counter for. */
export interface WindowAsk {
  scope: string;
  limit: number;
  windowMs: number;
  /** At least so much, or nothing. */
  need: number;
  /** So much when there is plenty. */
  share: number;
}

export interface WindowGrant {
  granted: number;
  /** What nobody has yet of this window. */
  left: number;
  /** Milliseconds until the window is over and everything is there again. */
  endsInMs: number;
}

/** The counter that all nodes share. */
export interface SharedWindows {
  take(ask: WindowAsk): Promise<WindowGrant>;
}

export interface Taken {
  isAllowed: boolean;
  /** What is left of the window as far as this node knows. */
  left: number;
  resetsInMs: number;
}

interface Window {
  endsAt: number;
  /** What this node may hand out. */
  mine: number;
  /** What the shared counter still had when it was asked last. It only shrinks while the window lasts. */
  elsewhere: number;
  asking: Promise<void> | undefined;
}

/** Windows that are over are forgotten when there are so many, and twice as many as the last look left. */
const LOOK_EVERY = 1_000;

/**
 * How much of something may be done in a window of time, by name, over all nodes. The first one who asks opens the
 * window. A node takes its allowance in shares from the counter that all have in common, so together they never hand
 * out more than the limit; a share that is taken and not used is lost until the window ends. Without a shared counter
 * this process is the only one.
 */
export class RateWindows {
  private readonly windows = new Map<string, Window>();
  private lookAt = LOOK_EVERY;

  /**
   * @param now milliseconds of a clock that never jumps.
   * @param onAway told when the shared counter does not answer. This node goes on as if it were alone until the
   * window ends: who is asking shall not wait for a database.
   */
  constructor(
    private readonly windowMs: number,
    private readonly now: () => number,
    private readonly shared?: SharedWindows,
    private readonly onAway: (error: unknown) => void = () => {},
  ) {}

  /** How many names are remembered. */
  get size(): number {
    return this.windows.size;
  }

  /** Takes `amount`, or nothing. It is a promise only where the shared counter has to be asked. */
  take(scope: string, limit: number, amount: number): Taken | Promise<Taken> {
    return this.takeLocal(scope, limit, amount) ?? this.takeShared(scope, limit, amount);
  }

  /** What was taken a moment ago and not used: another limit refused it. */
  giveBack(scope: string, amount: number): void {
    const window = this.windows.get(scope);
    if (window !== undefined && window.endsAt > this.now()) window.mine += amount;
  }

  /** @returns undefined where only the shared counter knows. */
  private takeLocal(scope: string, limit: number, amount: number): Taken | undefined {
    const window = this.windowOf(scope, limit);
    const isAllowed = window.mine >= amount;
    if (isAllowed) window.mine -= amount;
    else if (window.mine + window.elsewhere >= amount) return undefined;
    return { isAllowed, left: window.mine + window.elsewhere, resetsInMs: window.endsAt - this.now() };
  }

  private async takeShared(scope: string, limit: number, amount: number): Promise<Taken> {
    for (;;) {
      const taken = this.takeLocal(scope, limit, amount);
      if (taken !== undefined) return taken;
      const window = this.windowOf(scope, limit);
      window.asking ??= this.ask(window, {
        scope,
        limit,
        windowMs: this.windowMs,
        need: amount - window.mine,
        share: shareOf(limit),
      }).finally(() => (window.asking = undefined));
      await window.asking;
    }
  }

  private async ask(window: Window, ask: WindowAsk): Promise<void> {
    const askedAt = this.now();
    try {
      const { granted, left, endsInMs } = (await this.shared?.take(ask)) ?? {
        granted: 0,
        left: 0,
        endsInMs: this.windowMs,
      };
      // Counted from the question: what was granted must not be used when the window is over for the others.
      const endsAt = askedAt + endsInMs;
      if (endsAt > window.endsAt + this.windowMs / 2) window.mine = 0;
      window.mine += granted;
      window.elsewhere = left;
      window.endsAt = endsAt;
    } catch (error) {
      this.onAway(error);
      const granted = grantOf(window.elsewhere, ask.need, ask.share);
      window.mine += granted;
      window.elsewhere -= granted;
    }
  }

  private windowOf(scope: string, limit: number): Window {
    const now = this.now();
    const known = this.windows.get(scope);
    if (known !== undefined && known.endsAt > now) return known;
    if (this.windows.size >= this.lookAt) this.forgetEnded(now);
    const isAlone = this.shared === undefined;
    const window: Window = {
      endsAt: now + this.windowMs,
      mine: isAlone ? limit : 0,
      elsewhere: isAlone ? 0 : limit,
      asking: undefined,
    };
    this.windows.set(scope, window);
    return window;
  }

  private forgetEnded(now: number): void {
    for (const [scope, { endsAt }] of this.windows) if (endsAt <= now) this.windows.delete(scope);
    this.lookAt = this.windows.size * 2 + LOOK_EVERY;
  }
}
