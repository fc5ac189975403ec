import type { Run } from '../../runs/run.js';

/** Milliseconds that a run may be without viewers before it counts as left. */
const LEFT_AFTER_MS = 10_000;

interface Watched {
  viewers: number;
  timer: NodeJS.Timeout | undefined;
}

/** Counts the viewers of runs that shall end when nobody watches them any more. */
export class Viewers {
  private readonly runs = new Map<string, Watched>();

  /** @param onLeft called when a run has had no viewer for ten seconds. */
  constructor(private readonly onLeft: (run: Run) => void) {}

  /** Somebody will come to watch the run: who never does has left as well. */
  expect(run: Run): void {
    this.enter(run);
    this.leave(run);
  }

  enter(run: Run): void {
    const watched = this.runs.get(run.id) ?? { viewers: 0, timer: undefined };
    clearTimeout(watched.timer);
    watched.viewers += 1;
    this.runs.set(run.id, watched);
  }

  leave(run: Run): void {
    const watched = this.runs.get(run.id);
    if (watched === undefined) return;
    watched.viewers -= 1;
    if (watched.viewers > 0) return;
    watched.timer = setTimeout(() => {
      this.runs.delete(run.id);
      this.onLeft(run);
    }, LEFT_AFTER_MS);
    watched.timer.unref();
  }
}
