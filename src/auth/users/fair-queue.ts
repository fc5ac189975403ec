import PQueue from 'p-queue';

/** Waiting at most, in all, and of one owner. */
const MAX_WAITING = 256;
const MAX_OF_OWNER = 64;
/** Waiting of one owner when half of the places are taken: the other half is for those who have few. */
const FEW = 8;

/**
 * Does work for many owners, some at a time. Of those who wait, the one with the fewest waiting comes first, so that
 * nobody has to wait for one who asks all the time.
 */
export class FairQueue {
  private readonly queue: PQueue;
  private readonly waiting = new Map<string, number>();

  constructor(concurrency: number) {
    this.queue = new PQueue({ concurrency });
  }

  /** @returns undefined when the queue is full, or holds as much of this owner as it may: nothing is done then. */
  add<T>(owner: string, work: () => Promise<T>): Promise<T> | undefined {
    const waiting = this.waiting.get(owner) ?? 0;
    const { size } = this.queue;
    if (size >= MAX_WAITING || waiting >= (size < MAX_WAITING / 2 ? MAX_OF_OWNER : FEW)) return undefined;
    this.waiting.set(owner, waiting + 1);
    const begin = () => {
      this.leave(owner);
      return work();
    };
    return this.queue.add(begin, { priority: -waiting });
  }

  /** Whose turn has come does not wait any more. */
  private leave(owner: string): void {
    const waiting = this.waiting.get(owner) ?? 0;
    if (waiting > 1) this.waiting.set(owner, waiting - 1);
    else this.waiting.delete(owner);
  }
}
