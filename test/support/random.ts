/** Numbers that look random and come back with the same seed (mulberry32). */
export class Random {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** A seed from `TEST_SEED`, or a new one; printed, so that a failure can be repeated. */
  static printed(story: string): Random {
    const seed = Number(process.env['TEST_SEED'] ?? Date.now() % 2 ** 31);
    process.stdout.write(`${story}: TEST_SEED=${seed}\n`);
    return new Random(seed);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return min + (((mixed ^ (mixed >>> 14)) >>> 0) % (max - min + 1));
  }
}
