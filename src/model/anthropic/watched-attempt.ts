import { ModelError } from '../language-model.js';
import type { AnswerBody } from './node-transport.js';

/** How long the end of a body may take after the message was whole, in milliseconds. */
const LAST_BYTES_MS = 250;

/**
 * One connection to the model and the two who may end it early: the caller's signal, and silence.
 *
 * Silence is time spent waiting for bytes (headers, pings and comments count), so a slow reader of the answer
 * is never taken for a silent model.
 */
export class WatchedAttempt {
  private readonly connection = new AbortController();
  /** As `signal` says; asked for each piece, where a getter of the platform costs. */
  isCut = false;
  private timer: NodeJS.Timeout;
  /** When the wait that is under way began: a timer set anew for each piece would cost more than the look at it. */
  private since = 0;
  private isOpening = false;
  private silent = false;
  private isClosed = false;
  private body: AnswerBody | null = null;

  constructor(
    private readonly caller: AbortSignal,
    private readonly idleMs: number,
  ) {
    this.timer = setTimeout(this.look, idleMs);
    caller.addEventListener('abort', this.cut, { once: true });
    if (caller.aborted) this.cut();
  }

  /** Closes the connection when aborted: hand it to whoever opens it. */
  get signal(): AbortSignal {
    return this.connection.signal;
  }

  /** Waits for the headers. Settles as soon as the attempt is cut, whatever the opener does. */
  async open(opening: Promise<AnswerBody>): Promise<void> {
    const cut = Promise.withResolvers<never>();
    const onCut = () => cut.reject(this.connection.signal.reason);
    this.connection.signal.addEventListener('abort', onCut, { once: true });
    try {
      this.since = performance.now();
      this.isOpening = true;
      this.body = await Promise.race([opening, cut.promise]);
    } finally {
      this.isOpening = false;
      this.connection.signal.removeEventListener('abort', onCut);
    }
  }

  /** The next bytes, or undefined when the body is over. Settles as soon as the attempt is cut. */
  read(): Promise<Uint8Array | undefined> {
    if (this.body === null || this.isCut) return Promise.resolve(undefined);
    this.since = performance.now();
    return this.body.read();
  }

  /** Why the attempt failed: the caller's own reason before all, then silence, then what was thrown. */
  reason(error: unknown): unknown {
    if (this.caller.aborted) return this.caller.reason;
    if (!this.silent) return error;
    return new ModelError('model_idle', `The model was silent for ${this.idleMs} ms.`, {
      retryable: true,
      cause: error,
    });
  }

  /** Ends it. After a whole message the last bytes are read, so that the connection serves the next call. */
  close(whole: boolean): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.caller.removeEventListener('abort', this.cut);
    if (whole && this.body !== null && !this.isCut) void this.readOut(this.body);
    else this.cut();
  }

  private readonly cut = (): void => {
    this.isCut = true;
    this.connection.abort();
    this.body?.cancel();
  };

  private get isWaiting(): boolean {
    return this.isOpening || this.body?.isAwaited === true;
  }

  private readonly look = (): void => {
    const { since } = this;
    const left = this.isWaiting ? since + this.idleMs - performance.now() : this.idleMs;
    if (left > 0) {
      this.timer = setTimeout(this.look, Math.ceil(left));
      return;
    }
    // After a pause of the whole process bytes may lie ready: the poll phase comes before this.
    setImmediate(() => {
      if (this.isCut || this.isClosed) return;
      if (!this.isWaiting || since !== this.since) return this.look();
      this.silent = true;
      this.cut();
    });
  };

  private async readOut(body: AnswerBody): Promise<void> {
    const limit = setTimeout(this.cut, LAST_BYTES_MS).unref();
    try {
      while ((await body.read()) !== undefined);
    } catch (error) {
      ignoreBrokenBody(error);
    } finally {
      clearTimeout(limit);
    }
  }
}

/** The message is over or given up: how its body ends tells nothing any more. */
function ignoreBrokenBody(_error: unknown): void {}
