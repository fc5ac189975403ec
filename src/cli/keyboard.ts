import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';

export interface AskOptions {
  /** What is typed is not shown. */
  hidden?: boolean;
  /** Ends the question without an answer. */
  signal?: AbortSignal;
}

/** Where answers come from. */
export interface Keyboard {
  readonly isPerson: boolean;
  /** @returns undefined when there is no answer: the input has ended, or the question was interrupted. */
  ask(question: string, options?: AskOptions): Promise<string | undefined>;
  close(): void;
}

export interface Streams {
  input: NodeJS.ReadStream;
  /** Questions are no part of what is answered: they are written to standard error. */
  output: NodeJS.WritableStream;
}

/**
 * A person at a terminal. Only while something is asked the terminal is read key by key; in between Ctrl-C is the
 * signal that it always is.
 */
export class TerminalKeyboard implements Keyboard {
  readonly isPerson = true;
  private history: string[] = [];

  constructor(
    private readonly streams: Streams,
    private readonly onInterrupt: () => void,
  ) {}

  ask(question: string, { hidden = false, signal }: AskOptions = {}): Promise<string | undefined> {
    const { input, output } = this.streams;
    let isMuted = false;
    const screen = new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (!isMuted) output.write(chunk);
        done();
      },
    });
    const history = hidden ? [] : [...this.history];
    const lines = createInterface({ input, output: screen, terminal: true, history });
    return new Promise((resolve) => {
      const end = (answer?: string) => {
        signal?.removeEventListener('abort', stop);
        lines.close();
        if (hidden) output.write('\n');
        resolve(answer);
      };
      const stop = () => end();
      signal?.addEventListener('abort', stop, { once: true });
      lines.once('close', stop);
      lines.once('SIGINT', () => {
        output.write('\n');
        this.onInterrupt();
        end();
      });
      lines.question(question, (answer) => {
        lines.removeListener('close', stop);
        if (!hidden && answer !== '') this.history = [answer, ...this.history].slice(0, 100);
        end(answer);
      });
      isMuted = hidden;
    });
  }

  close(): void {}
}

/** A file or a pipe: each answer is a line of it. */
export class PipedKeyboard implements Keyboard {
  readonly isPerson = false;
  private readonly lines: Interface;
  private readonly waiting: string[] = [];
  private hasEnded = false;
  private wake: () => void = () => undefined;

  constructor(private readonly streams: Streams) {
    this.lines = createInterface({ input: streams.input, terminal: false });
    this.lines.on('line', (line) => {
      this.waiting.push(line);
      this.wake();
    });
    this.lines.on('close', () => {
      this.hasEnded = true;
      this.wake();
    });
  }

  async ask(question: string, { signal }: AskOptions = {}): Promise<string | undefined> {
    if (question !== '') this.streams.output.write(`${question.trimEnd()}\n`);
    if (this.waiting.length === 0 && !this.hasEnded && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return signal?.aborted === true ? undefined : this.waiting.shift();
  }

  close(): void {
    this.lines.close();
    // A pipe that stays open must not keep the process; a file has no such handle.
    if ('unref' in this.streams.input) this.streams.input.unref();
  }
}
