import { AppError } from '../../errors/app-error.js';

const RETRY_AFTER_S = 2;

/** How long somebody waits for a connection, in milliseconds. */
export interface Patience {
  /** Of silence: no statement has been answered for so long, so the database is away. */
  awayMs: number;
  /** At most, while it answers others: it has more to do than it can. */
  busyMs: number;
}

interface Waiting {
  since: number;
  enter: () => void;
  refuse: (error: AppError) => void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Lets in as many as there are connections; the others wait in their order. A database that is busy is not away:
 * while it answers those who are in, the others wait on, and as soon as it falls silent they are told.
 */
export class ConnectionQueue {
  private readonly waiting = new Set<Waiting>();
  private answeredAt = Number.NEGATIVE_INFINITY;

  constructor(
    private free: number,
    private readonly patience: Patience,
  ) {}

  /**
   * Resolves when a connection is free for the caller, who calls `leave` when it is again.
   * @throws AppError `unavailable`
   */
  enter(): Promise<void> {
    if (this.free > 0) {
      this.free -= 1;
      return Promise.resolve();
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { since: performance.now(), enter: resolve, refuse: reject, timer: undefined };
    this.waiting.add(waiting);
    this.look(waiting);
    return promise;
  }

  leave(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.free += 1;
      return;
    }
    this.forget(next);
    next.enter();
  }

  /** The database has answered a statement. */
  answered(): void {
    this.answeredAt = performance.now();
  }

  /** Waits on for as long as there is hope, which each answer gives. */
  private look(waiting: Waiting): void {
    const now = performance.now();
    const { awayMs, busyMs } = this.patience;
    const silentAt = Math.max(waiting.since, this.answeredAt) + awayMs;
    const hopeMs = Math.min(silentAt, waiting.since + Math.max(awayMs, busyMs)) - now;
    if (hopeMs > 0) {
      waiting.timer = setTimeout(() => this.look(waiting), Math.ceil(hopeMs));
      return;
    }
    this.forget(waiting);
    waiting.refuse(
      silentAt <= now ? unavailable('cannot be reached') : unavailable('has more to do than it can'),
    );
  }

  private forget(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.waiting.delete(waiting);
  }
}

function unavailable(how: string): AppError {
  return new AppError('unavailable', `The database ${how} at the moment: try again.`, {
    retryAfter: RETRY_AFTER_S,
  });
}
