const WINDOW_MS = 10_000;
const MAX_MESSAGES = 100;
const MAX_MALFORMED = 20;

/** What one socket may send: 100 messages in any ten seconds, pings included, and fewer than 20 that make no sense. */
export class MessageLimits {
  /** Times of the last messages, the oldest at `next`. */
  private readonly times = new Float64Array(MAX_MESSAGES).fill(-Infinity);
  private next = 0;
  private malformed = 0;

  /** @param now milliseconds of a clock that never jumps. */
  constructor(private readonly now: () => number) {}

  /** Counts a message; false: it is one too many. */
  countMessage(): boolean {
    const now = this.now();
    const oldest = this.times[this.next] ?? -Infinity;
    this.times[this.next] = now;
    this.next = (this.next + 1) % MAX_MESSAGES;
    return now - oldest >= WINDOW_MS;
  }

  /** Counts a message that was not understood; false: it is one too many. */
  countMalformed(): boolean {
    this.malformed += 1;
    return this.malformed < MAX_MALFORMED;
  }
}
