/** A wait for something that shall begin soon: it ends with a signal, or by itself when nothing came in time. */
export class FirstWait {
  /** Whether it came. */
  wasMet = false;
  private readonly controller = new AbortController();
  private readonly end = () => this.controller.abort();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly outer: AbortSignal,
    milliseconds: number,
  ) {
    this.timer = setTimeout(this.end, milliseconds);
    if (outer.aborted) this.end();
    else outer.addEventListener('abort', this.end);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** It came: from now on only the outer signal ends it. */
  met(): void {
    if (this.wasMet) return;
    this.wasMet = true;
    clearTimeout(this.timer);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.outer.removeEventListener('abort', this.end);
  }
}
