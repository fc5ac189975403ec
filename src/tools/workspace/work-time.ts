import { setImmediate } from 'node:timers/promises';

/** Longest stretch of work, in milliseconds, before others have their turn. */
const STRETCH_MS = 8;

/** The time of one long piece of work in this thread: others have their turn in between, and it has an end. */
export class WorkTime {
  private stretchSince = performance.now();
  private readonly end: number;

  constructor(
    private readonly signal: AbortSignal,
    limitMs: number,
  ) {
    this.end = performance.now() + limitMs;
  }

  get isUp(): boolean {
    return performance.now() >= this.end;
  }

  /** To be called every few microseconds of work. Throws the signal's reason once it is aborted. */
  async pause(): Promise<void> {
    if (performance.now() - this.stretchSince < STRETCH_MS) return;
    await setImmediate();
    this.signal.throwIfAborted();
    this.stretchSince = performance.now();
  }
}
