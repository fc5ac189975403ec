import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose code is running: what stops when that process is stopped or dies. */
export interface Process {
  readonly state: 'up' | 'paused' | 'dead';
}

interface Timer {
  at: number;
  /** Timers of the same time fire in the order in which they were set. */
  order: number;
  every: number | undefined;
  process: Process | undefined;
  work: () => void;
}

const REAL_IMMEDIATE = globalThis.setImmediate;
const START = 1_000_000_000;

/**
 * Time that passes when the story says so. Installed, it stands in for the timers of the runtime: each timer
 * belongs to the process that set it, waits while that is paused and never fires once that is dead.
 */
export class VirtualClock {
  now = START;
  private order = 0;
  private readonly timers = new Map<number, Timer>();
  private readonly running = new AsyncLocalStorage<Process | undefined>();

  /** Runs code as that process; what it sets off belongs to the process too. */
  as<T>(process: Process | undefined, work: () => T): T {
    return this.running.run(process, work);
  }

  get process(): Process | undefined {
    return this.running.getStore();
  }

  set(work: () => void, delayMs: number, every?: number): number {
    this.order += 1;
    const at = this.now + Math.max(0, Math.ceil(delayMs));
    this.timers.set(this.order, { at, order: this.order, every, process: this.process, work });
    return this.order;
  }

  clear(id: unknown): void {
    this.timers.delete(Number(id));
  }

  /** Waits in virtual time on behalf of nobody: a message under way, a client. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.as(undefined, () => this.set(resolve, ms)));
  }

  /** Waits in virtual time as the process that asks, or until the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = this.set(resolve, ms);
      const stop = () => {
        this.clear(timer);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** Lets time pass, one timer after the other, each with all that follows from it; ends early once `isOver`. */
  async pass(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await new Promise(REAL_IMMEDIATE);
      if (isOver()) return;
      const next = this.next(end);
      if (next === undefined) break;
      this.now = Math.max(this.now, next.at);
      this.fire(next);
    }
    this.now = end;
  }

  /** A new story: nothing of the last one is left. */
  reset(): void {
    this.now = START;
    this.order = 0;
    this.timers.clear();
  }

  /** Stands in for the runtime's timers and its chance until the answer is called. */
  install(random: () => number): () => void {
    const stand = (work: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      handle(this.set(() => work(...args), ms));
    const names = {
      setTimeout: stand,
      setImmediate: (work: (...args: unknown[]) => void, ...args: unknown[]) => stand(work, 0, ...args),
      setInterval: (work: () => void, ms = 1) => handle(this.set(work, ms, ms)),
      clearTimeout: (id: unknown) => this.clear(id),
      clearImmediate: (id: unknown) => this.clear(id),
      clearInterval: (id: unknown) => this.clear(id),
      performance: { now: () => this.now },
    };
    const restore = Object.entries(names).map(([name, value]) => {
      const real = Object.getOwnPropertyDescriptor(globalThis, name) ?? {};
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
      return () => Object.defineProperty(globalThis, name, real);
    });
    const chance = Math.random;
    Math.random = random;
    return () => {
      Math.random = chance;
      restore.forEach((each) => each());
    };
  }

  private next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers.values()) {
      if (timer.process?.state === 'dead') this.timers.delete(timer.order);
      else if (timer.at <= end && timer.process?.state !== 'paused' && isBefore(timer, first)) first = timer;
    }
    return first;
  }

  private fire(timer: Timer): void {
    if (timer.every === undefined) this.timers.delete(timer.order);
    else timer.at = this.now + timer.every;
    this.as(timer.process, timer.work);
  }
}

function isBefore(timer: Timer, other: Timer | undefined): boolean {
  return other === undefined || timer.at < other.at || (timer.at === other.at && timer.order < other.order);
}

/** What the runtime gives back for a timer, as far as the product uses it. */
function handle(id: number): object {
  const timer = { unref: () => timer, [Symbol.toPrimitive]: () => id };
  return timer;
}

/** What `node:timers/promises` waits with, on the timers of the moment. */
export function virtualDelay<T>(
  ms = 0,
  value?: T,
  { signal }: { signal?: AbortSignal } = {},
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException('The operation was aborted', { name: 'AbortError', cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve(value);
    }, ms);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
