import type { Run } from '../../runs/run.js';

/** How often it is said again that a run is watched, in milliseconds. */
const SAY_AGAIN_MS = 3_000;

/**
 * Knows which runs of those that shall end when nobody watches them are watched here, and says so again and again:
 * a run of which no process says it for long enough has been left. That is for the run's owner to find.
 */
export class Viewers {
  private readonly counts = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  /** @param say tells all processes that these runs are watched at this moment; must not throw. */
  constructor(private readonly say: (runIds: string[]) => void) {}

  enter(run: Run): void {
    this.counts.set(run.id, (this.counts.get(run.id) ?? 0) + 1);
    this.say([run.id]);
    this.timer ??= setInterval(() => this.say([...this.counts.keys()]), SAY_AGAIN_MS).unref();
  }

  leave(run: Run): void {
    const count = (this.counts.get(run.id) ?? 1) - 1;
    if (count > 0) this.counts.set(run.id, count);
    else this.counts.delete(run.id);
    this.say([run.id]);
    if (this.counts.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
