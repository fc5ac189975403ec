/** Tells those who wait for a session's next run that there may be one. */
export class SessionBell {
  private readonly waiting = new Map<string, Set<() => void>>();

  ring(sessionId: string): void {
    const woken = this.waiting.get(sessionId);
    this.waiting.delete(sessionId);
    for (const wake of woken ?? []) wake();
  }

  /** There may be one in any session. */
  ringAll(): void {
    for (const sessionId of this.waiting.keys()) this.ring(sessionId);
  }

  /** Listens from now on; `rung` is resolved at the next ring, when `signal` is aborted, or after `timeoutMs`. */
  listen(
    sessionId: string,
    signal: AbortSignal,
    timeoutMs?: number,
  ): { rung: Promise<void>; stop: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const set = this.waiting.get(sessionId) ?? new Set();
    this.waiting.set(sessionId, set.add(resolve));
    const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
    const wake = () => resolve();
    signal.addEventListener('abort', wake);
    if (signal.aborted) resolve();
    const stop = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      set.delete(resolve);
      if (set.size === 0 && this.waiting.get(sessionId) === set) this.waiting.delete(sessionId);
    };
    return { rung: promise, stop };
  }
}
