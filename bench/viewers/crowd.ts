import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from '../harness/children.ts';
import type { RunningCandidate } from '../harness/running-candidate.ts';
import type { Counted, Order } from './order.ts';

const LOOK_MS = 20;

/** The bench's side of a crowd: one process for all its connections. */
export class Crowd {
  private readonly child = new Child([fileURLToPath(new URL('crowd-client.ts', import.meta.url))]);
  private readonly candidate: RunningCandidate;

  private constructor(candidate: RunningCandidate) {
    this.candidate = candidate;
  }

  /** The process ends when `use` has. */
  static async with<Result>(
    candidate: RunningCandidate,
    use: (crowd: Crowd) => Promise<Result>,
  ): Promise<Result> {
    const crowd = new Crowd(candidate);
    try {
      return await use(crowd);
    } finally {
      await crowd.child.end();
    }
  }

  /** @returns when all of them have been answered. */
  open(order: Omit<Order, 'descriptor' | 'port' | 'prepared'>): Promise<void> {
    const { moduleUrl, port, prepared } = this.candidate;
    return this.child.calls.ask('open', { descriptor: moduleUrl, port, prepared, ...order } satisfies Order);
  }

  counted(): Promise<Counted> {
    return this.child.calls.ask<Counted>('counted');
  }

  /** Waits until so many tokens have come to all of them together, or until all are over. */
  async reaches(tokens: number, timeoutMs: number): Promise<Counted> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const now = await this.counted();
      if (now.tokens >= tokens || now.done === now.viewers) return now;
      if (performance.now() > end)
        throw new Error(`only ${now.tokens} of ${tokens} tokens after ${timeoutMs} ms`);
      await pause(LOOK_MS);
    }
  }

  /** Waits until the first viewer has all; milliseconds from its first token to its last. */
  first(timeoutMs: number): Promise<number> {
    return within(timeoutMs, this.child.calls.ask<number>('first'));
  }

  /** Until all have all. */
  over(timeoutMs: number): Promise<void> {
    return within(timeoutMs, this.child.calls.ask<void>('over'));
  }

  /** Those that have stopped reading go on. */
  goOn(): Promise<void> {
    return this.child.calls.ask('goOn');
  }

  /** Closes all connections. */
  close(): Promise<Counted> {
    return this.child.calls.ask<Counted>('close');
  }
}

async function within<Result>(timeoutMs: number, result: Promise<Result>): Promise<Result> {
  const late = pause(timeoutMs, undefined, { ref: false }).then(() => {
    throw new Error(`not over after ${timeoutMs} ms`);
  });
  return Promise.race([result, late]);
}
