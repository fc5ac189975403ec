import { setMaxListeners } from 'node:events';

/** Time that the goodbyes of all connections may take together, in milliseconds: so much for each, and at most. */
const GOODBYES_MS = { each: 5, most: 5_000 };

/**
 * Whether this process is on its way out. One for the whole application: what waits or repeats takes `signal`,
 * what begins something new asks `begun` first, and long connections leave when it is their turn.
 */
export class Shutdown {
  private readonly controller = new AbortController();
  private readonly staying = new Set<() => void>();
  private readonly allTold = Promise.withResolvers<void>();

  /** Aborted once, when the shutdown begins. Any number of streams may listen. */
  readonly signal: AbortSignal = this.controller.signal;

  constructor() {
    setMaxListeners(0, this.signal);
  }

  get begun(): boolean {
    return this.signal.aborted;
  }

  /** Resolved when the shutdown has begun and every connection has had its turn. */
  get farewell(): Promise<void> {
    return this.allTold.promise;
  }

  /**
   * A connection that shall end with the process. Thousands that left at once would come to the next process at
   * once, so each is told at a moment of its own, the more of them the longer it takes.
   * @param leave called when it is its turn; at once when the shutdown has begun already.
   * @returns to be called when it has ended by itself.
   */
  stay(leave: () => void): () => void {
    if (this.begun) leave();
    else this.staying.add(leave);
    return () => this.staying.delete(leave);
  }

  /** Begins the shutdown; listeners are called before this returns. A second call does nothing. */
  begin(): void {
    if (this.begun) return;
    this.controller.abort();
    const longest = Math.min(GOODBYES_MS.most, this.staying.size * GOODBYES_MS.each);
    for (const leave of this.staying) {
      setTimeout(() => {
        if (this.staying.delete(leave)) leave();
      }, Math.random() * longest);
    }
    setTimeout(() => this.allTold.resolve(), longest);
  }
}
