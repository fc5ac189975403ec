import { afterEach, beforeEach } from '@jest/globals';
import { newId } from '../database/ids.js';
import type { EventLog, LogPage } from './event-log.js';
import type { RunEvent } from './run-event.js';

/** What the contract needs of an adapter: a fresh log on two nodes, and runs that exist with a given attempt. */
export interface EventLogBench {
  log: EventLog;
  /** Another node on the same store. */
  other: EventLog;
  /** From now on nobody reaches the store; some of what is written still arrives, but its answer is lost. */
  breakStore(): void;
  healStore(): void;
  /** Makes the run known with this attempt, or moves it on to it. */
  setAttempt(runId: string, attempt: number): Promise<void>;
  close(): Promise<void>;
}

export const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
export const DONE: RunEvent & { type: 'done' } = {
  type: 'done',
  data: {
    status: 'completed',
    stop_reason: 'end_turn',
    usage: {
      input_tokens: 1,
      output_tokens: 1,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
      model_calls: 1,
      estimated: false,
    },
    cost_usd: null,
  },
};

export const settled = async () => undefined;

export function texts(pages: LogPage[]): string[] {
  return pages.flatMap((page) =>
    page.entries.map((entry, index) => {
      const text = entry.type === 'token' ? (JSON.parse(entry.data) as { text: string }).text : entry.type;
      return `${page.attempt}.${page.firstSeq + index} ${text}`;
    }),
  );
}

/** Looks again and again; fails after ten seconds. Not of `test/`: who runs the contract elsewhere has this only. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What each sentence of the contract begins with: a fresh log, a run that exists, and readers of its events. */
export class LogStage {
  readonly stop = new AbortController();
  private opened: EventLogBench | undefined;
  private run = '';

  /** To be made inside the `describe` whose sentences use it. */
  constructor(open: () => Promise<EventLogBench>) {
    beforeEach(async () => {
      this.opened = await open();
      this.run = newId('run');
      await this.opened.setAttempt(this.run, 1);
    });
    afterEach(() => this.bench.close());
  }

  get bench(): EventLogBench {
    if (this.opened === undefined) throw new Error('The stage is used outside of a test.');
    return this.opened;
  }

  get runId(): string {
    return this.run;
  }

  /** All that is told after `after`, until the run is over. */
  all(after = 0, signal: AbortSignal = this.stop.signal, log = this.bench.log): Promise<string[]> {
    return this.collect([], log, after, signal);
  }

  /** Reads on in the background; how that ends may be looked at later. */
  collect(
    seen: string[],
    log: EventLog,
    after = 0,
    signal: AbortSignal = this.stop.signal,
  ): Promise<string[]> {
    const reading = this.readAll(seen, log, after, signal);
    reading.catch(() => undefined);
    return reading;
  }

  private async readAll(
    seen: string[],
    log: EventLog,
    after: number,
    signal: AbortSignal,
  ): Promise<string[]> {
    for await (const pages of log.follow(this.runId, after, signal)) seen.push(...texts(pages));
    return seen;
  }
}
