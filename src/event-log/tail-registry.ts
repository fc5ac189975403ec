import { RunTail } from './run-tail.js';

interface Held {
  tail: RunTail;
  holders: number;
}

/** The tails of all runs that are written or watched on this node; a tail is gone with its last holder. */
export class TailRegistry {
  private readonly held = new Map<string, Held>();

  acquire(runId: string): RunTail {
    const held = this.held.get(runId) ?? { tail: new RunTail(), holders: 0 };
    held.holders += 1;
    this.held.set(runId, held);
    return held.tail;
  }

  release(runId: string): void {
    const held = this.held.get(runId);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders === 0) this.held.delete(runId);
  }

  find(runId: string): RunTail | undefined {
    return this.held.get(runId)?.tail;
  }

  get count(): number {
    return this.held.size;
  }
}
