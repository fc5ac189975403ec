/**
 * A reader's waits, one after the other: for a bell, for time, for the end of its signal. One for its whole life,
 * since a listener at the signal for each wait costs more than all that it waits for.
 */
export class Waiter {
  private resolve: (() => void) | undefined;

  readonly wake = (): void => {
    const { resolve } = this;
    this.resolve = undefined;
    resolve?.();
  };

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', this.wake);
  }

  /** @returns when it is woken, its signal is aborted or `timeoutMs` has passed. */
  wait(timeoutMs?: number): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      if (timeoutMs === undefined) {
        this.resolve = resolve;
        return;
      }
      const timer = setTimeout(this.wake, timeoutMs);
      this.resolve = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** To be called when nobody waits any more. */
  stop(): void {
    this.signal.removeEventListener('abort', this.wake);
  }
}
