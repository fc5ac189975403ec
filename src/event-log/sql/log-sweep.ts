import type { EndedRun } from './ended-run.repository.js';

/** Between two sweeps, in milliseconds; up to half of it less by chance, so that nodes do not sweep together. */
const EVERY_MS = 600_000;
/** Between two statements of one sweep, so that others have the database in between. */
const PAUSE_MS = 200;

/** Deletes one piece of what is too old, after an earlier one; undefined when there is no more. */
export type TrimPiece = (after: EndedRun) => Promise<EndedRun | undefined>;

/** Removes logs whose time is over, slowly and in the background. Every node may do it: each piece is deleted once. */
export class LogSweep {
  private timer: NodeJS.Timeout | undefined;
  /** What ended before it was swept already. */
  private mark: EndedRun = { id: '', endedAt: 0 };

  constructor(
    private readonly trim: TrimPiece,
    private readonly onError: (error: unknown) => void,
  ) {}

  start(): void {
    this.wait(EVERY_MS * (0.5 + Math.random() / 2));
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Does one piece and waits for the next; a failed one is done again at the next sweep. */
  private async sweep(): Promise<void> {
    let last: EndedRun | undefined;
    try {
      last = await this.trim(this.mark);
      this.mark = last ?? this.mark;
    } catch (error) {
      this.onError(error);
    }
    if (this.timer === undefined) return;
    if (last === undefined) this.start();
    else this.wait(PAUSE_MS);
  }

  private wait(milliseconds: number): void {
    this.timer = setTimeout(() => void this.sweep(), milliseconds).unref();
  }
}
