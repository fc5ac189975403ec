import { setMaxListeners } from 'node:events';

/**
 * Whether this process is on its way out. One for the whole application: what waits or repeats takes `signal`,
 * what begins something new asks `begun` first.
 */
export class Shutdown {
  private readonly controller = new AbortController();

  /** Aborted once, when the shutdown begins. Any number of streams may listen. */
  readonly signal: AbortSignal = this.controller.signal;

  constructor() {
    setMaxListeners(0, this.signal);
  }

  get begun(): boolean {
    return this.signal.aborted;
  }

  /** Begins the shutdown; listeners are called before this returns. A second call does nothing. */
  begin(): void {
    this.controller.abort();
  }
}
