/** Wakes the one who waits, now or when it comes to wait: no ring is lost, and several are one. */
export class Bell {
  private rung = false;
  private wake: () => void = () => {};

  ring(): void {
    this.rung = true;
    this.wake();
  }

  /** Resolved at the next ring, at one since the last time, or after `milliseconds`. */
  async heard(milliseconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    this.wake = resolve;
    if (!this.rung) await promise;
    clearTimeout(timer);
    this.rung = false;
  }
}
