import { RunTail } from './run-tail.js';

interface Held {
  tail: RunTail;
  holders: number;
  leaving: NodeJS.Timeout | undefined;
}

/** The tails of all runs that are written or watched on this node; a tail stays a while after its last holder. */
export class TailRegistry {
  private readonly held = new Map<string, Held>();

  /** @param lingerMs how long viewers who return find what memory had. */
  constructor(private readonly lingerMs = 0) {}

  acquire(runId: string): RunTail {
    const held = this.held.get(runId) ?? { tail: new RunTail(), holders: 0, leaving: undefined };
    clearTimeout(held.leaving);
    held.leaving = undefined;
    held.holders += 1;
    this.held.set(runId, held);
    return held.tail;
  }

  release(runId: string): void {
    const held = this.held.get(runId);
    if (held === undefined || held.holders === 0) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    const forget = () => this.held.delete(runId);
    if (this.lingerMs === 0 || held.tail.isRemoved) forget();
    else held.leaving = setTimeout(forget, this.lingerMs).unref();
  }

  find(runId: string): RunTail | undefined {
    return this.held.get(runId)?.tail;
  }

  /** Runs with readers here. */
  *watched(): Generator<[runId: string, tail: RunTail]> {
    for (const [runId, { tail }] of this.held) if (tail.watchers > 0) yield [runId, tail];
  }

  get count(): number {
    return this.held.size;
  }

  /** Forgets all that nobody holds. */
  clear(): void {
    for (const [runId, { holders, leaving }] of this.held) {
      clearTimeout(leaving);
      if (holders === 0) this.held.delete(runId);
    }
  }
}
