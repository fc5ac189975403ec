import type { LogWriter } from '../../../src/event-log/event-log.js';
import type { RunEvent } from '../../../src/event-log/run-event.js';
import type { LoopDependencies } from '../../../src/runs/loop/loop-dependencies.js';
import { over } from '../over.js';

/**
 * How a process goes: `throws` — it lives on, but can write nothing any more, as one whose lease was taken;
 * `hangs` — it stands still inside its last write, which is stored, as one that was killed there.
 */
export type Manner = 'throws' | 'hangs';

/** A process of which only the first `last` writes are stored; it counts all that a run writes anywhere. */
export class Mortal {
  writes = 0;
  /** Tool calls whose outcome was stored, and how they stand. */
  readonly finished: [id: string, state: string][] = [];
  readonly died: Promise<void>;
  private readonly death = Promise.withResolvers<void>();
  private dead: boolean;

  constructor(
    private readonly last: number,
    private readonly manner: Manner = 'throws',
  ) {
    this.dead = last === 0;
    this.died = this.death.promise;
    if (this.dead) this.death.resolve();
  }

  /** Puts itself between a loop and everything that it writes to. */
  readonly between = (writer: LogWriter, dependencies: LoopDependencies): [LogWriter, LoopDependencies] => {
    const { runs, ledger, messages } = dependencies;
    return [
      this.pen(writer),
      {
        ...dependencies,
        runs: over(runs, {
          checkpoint: (...args) => this.write(() => runs.checkpoint(...args)),
          settle: (...args) => this.write(() => runs.settle(...args)),
        }),
        ledger: over(ledger, {
          start: (...args) => this.write(() => ledger.start(...args)),
          ask: (...args) => this.write(() => ledger.ask(...args)),
          startApproved: (...args) => this.write(() => ledger.startApproved(...args)),
          expire: (...args) => this.write(() => ledger.expire(...args)),
          park: (...args) => this.write(() => ledger.park(...args)),
          finish: (...args) =>
            this.write(async () => {
              await ledger.finish(...args);
              this.finished.push([args[1], args[2].state]);
            }),
        }),
        messages: over(messages, {
          savePart: (...args) => this.write(() => messages.savePart(...args)),
        }),
      },
    ];
  };

  private pen(writer: LogWriter): LogWriter {
    return over(writer, {
      append: (...events: RunEvent[]) => this.write(() => writer.append(...events)),
      flushed: () => (this.dead ? this.gone() : writer.flushed()),
      end: (...args) => this.write(() => writer.end(...args)),
    });
  }

  private write<T>(work: () => Promise<T>): Promise<T> {
    if (this.dead) return this.gone();
    this.writes += 1;
    const isLast = this.writes === this.last;
    if (isLast) {
      this.dead = true;
      this.death.resolve();
    }
    const written = work();
    // Who does not wait for a write hears of its failure elsewhere.
    written.catch(() => undefined);
    return isLast && this.manner === 'hangs' ? this.gone() : written;
  }

  private gone(): Promise<never> {
    if (this.manner === 'hangs') return new Promise(() => undefined);
    const refused = Promise.reject(new Error('this process is dead'));
    refused.catch(() => undefined);
    return refused;
  }
}
