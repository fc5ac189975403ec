/** Wakes calls that wait for room in a budget when another call of this process has given some back. */
export class RefundBell {
  private readonly waiting = new Map<() => void, readonly string[]>();

  ring(scopes: readonly string[]): void {
    for (const [wake, scopesOfOne] of this.waiting)
      if (scopesOfOne.some((scope) => scopes.includes(scope))) wake();
  }

  /** Until one of the scopes is rung for, the time is over (other processes ring nowhere), or the signal is aborted. */
  wait(scopes: readonly string[], milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      this.waiting.delete(wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal.addEventListener('abort', wake);
    this.waiting.set(wake, scopes);
    if (signal.aborted) wake();
    return promise;
  }
}
