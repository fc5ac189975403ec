const WINDOW_MS = 10_000;
const MAX_MESSAGES = 100;
const MAX_MALFORMED = 20;

/** What one socket may send: 100 messages in ten seconds, pings included, and fewer than 20 that make no sense. */
export class MessageLimits {
  private windowStart: number;
  private messages = 0;
  private malformed = 0;

  /** @param now milliseconds of a clock that never jumps. */
  constructor(private readonly now: () => number) {
    this.windowStart = now();
  }

  /** Counts a message; false: it is one too many. */
  countMessage(): boolean {
    if (this.now() - this.windowStart >= WINDOW_MS) {
      this.windowStart = this.now();
      this.messages = 0;
    }
    this.messages += 1;
    return this.messages <= MAX_MESSAGES;
  }

  /** Counts a message that was not understood; false: it is one too many. */
  countMalformed(): boolean {
    this.malformed += 1;
    return this.malformed < MAX_MALFORMED;
  }
}
