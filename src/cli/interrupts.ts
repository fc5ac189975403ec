/** What Ctrl-C means now. */
export class Interrupts {
  private handler: () => void = () => undefined;

  /** Also for a terminal that is read key by key, where Ctrl-C is a key. */
  readonly interrupt = (): void => this.handler();

  constructor(process: Pick<NodeJS.Process, 'on'>) {
    process.on('SIGINT', this.interrupt);
  }

  mean(handler: () => void): void {
    this.handler = handler;
  }
}
