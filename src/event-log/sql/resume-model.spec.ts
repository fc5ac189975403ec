import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { AbortableQueryOptions, CompiledQuery } from 'kysely';
import { Random } from '../../../test/support/random.js';
import { newId } from '../../database/ids.js';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import type { LogWriter } from '../event-log.js';
import { placeEvents } from '../placed-event.js';
import type { RunEvent } from '../run-event.js';
import { SqlEventLog } from './sql-event-log.js';

const RUNS = 1_000;
const NO_USAGE = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  model_calls: 0,
  estimated: false,
};
const DONE: RunEvent & { type: 'done' } = {
  type: 'done',
  data: { status: 'completed', stop_reason: null, usage: NO_USAGE, cost_usd: null },
};

/** `writer`, `reader` and `cursor` are taken modulo what there is. */
type Step =
  | { do: 'append'; writer: number; events: number; long: boolean; wait: boolean }
  | { do: 'takeover' | 'crash' | 'failing commit' | 'lost answer' | 'pause' }
  | { do: 'join'; cursor: number }
  | { do: 'leave' | 'come back'; reader: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      writer: fc.oneof(fc.constant(0), fc.nat({ max: 3 })),
      events: fc.integer({ min: 1, max: 4 }),
      long: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      wait: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'takeover' }, { do: 'crash' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'pause' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'failing commit' }, { do: 'lost answer' }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), cursor: fc.nat({ max: 30 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('leave' as const, 'come back' as const),
      reader: fc.nat({ max: 5 }),
    }),
  },
);

/** A database that is far away: its answers take a while, and on request an append fails or its answer is lost. */
class FarDatabase extends SqliteDatabase {
  failure: 'none' | 'failing commit' | 'lost answer' = 'none';
  random = new Random(0);

  override async open(): Promise<void> {
    await super.open();
    const executor = this.kysely.getExecutor();
    const execute = executor.executeQuery.bind(executor);
    executor.executeQuery = async <R>(query: CompiledQuery<R>, options?: AbortableQueryOptions) => {
      await this.distance();
      const isAppend = query.sql.includes('insert into run_pages');
      if (isAppend && this.took('failing commit')) throw new Error('disk failure');
      const result = await execute<R>(query, options);
      await this.distance();
      if (isAppend && this.took('lost answer')) throw new Error('the answer was lost');
      return result;
    };
  }

  private async distance(): Promise<void> {
    for (let turns = this.random.between(0, 4); turns > 0; turns -= 1) await new Promise(setImmediate);
  }

  private took(failure: 'failing commit' | 'lost answer'): boolean {
    if (this.failure !== failure) return false;
    this.failure = 'none';
    return true;
  }
}

interface Append {
  attempt: number;
  text: string;
  /** The attempt was over when this was handed over. */
  isStale: boolean;
  outcome: 'pending' | 'written' | 'refused' | 'unknown';
}

/** A viewer that keeps its cursor over all its connections. */
class Reader {
  readonly seen: string[] = [];
  private leave = new AbortController();
  private reading: Promise<void> = Promise.resolve();

  constructor(
    readonly cursor: number,
    private readonly runId: string,
  ) {}

  connect(log: SqlEventLog): void {
    this.leave = new AbortController();
    this.reading = this.read(log, this.leave.signal);
  }

  async disconnect(): Promise<void> {
    this.leave.abort();
    await this.reading;
  }

  ended(): Promise<void> {
    return this.reading;
  }

  private async read(log: SqlEventLog, signal: AbortSignal): Promise<void> {
    for await (const pages of log.follow(this.runId, this.cursor + this.seen.length, signal)) {
      for (const event of placeEvents(pages)) this.seen.push(lineOf(event));
      if (signal.aborted) return;
    }
  }
}

const lineOf = (event: { attempt: number; seq: number; type: string; data: unknown }): string =>
  `${event.attempt}.${event.seq} ${(event.data as { text?: string }).text?.slice(0, 12) ?? event.type}`;

/** One run, the processes that write it and those who read it: the page on the log in a few lines. */
class World {
  readonly runId = newId('run');
  readonly readers: Reader[] = [];
  readonly appends: Append[] = [];
  private readonly writers: { attempt: number; writer: LogWriter }[] = [];
  private readonly settling: Promise<unknown>[] = [];
  private attempt = 0;
  private log: SqlEventLog;
  private count = 0;

  constructor(private readonly database: FarDatabase) {
    this.log = new SqlEventLog(database);
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case 'append':
        return this.append(step.writer, step.events, step.long, step.wait);
      case 'takeover':
        return this.takeOver();
      case 'crash':
        return this.crash();
      case 'failing commit':
      case 'lost answer':
        this.database.failure = step.do;
        return;
      case 'pause':
        return new Promise((resolve) => setImmediate(resolve));
      case 'join': {
        const end = await this.log.end(this.runId);
        const reader = new Reader(step.cursor % ((end?.seq ?? 0) + 1), this.runId);
        this.readers.push(reader);
        reader.connect(this.log);
        return;
      }
      case 'leave':
      case 'come back': {
        const reader = this.readers[step.reader % Math.max(1, this.readers.length)];
        await reader?.disconnect();
        if (step.do === 'come back') reader?.connect(this.log);
      }
    }
  }

  /** Somebody else has the run from here on; the owner before does not know it yet. */
  async takeOver(): Promise<void> {
    this.attempt += 1;
    await this.database.kysely
      .insertInto('runs')
      .values({ ...ROW, id: this.runId, session_id: this.runId, attempt: this.attempt })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ attempt: this.attempt }))
      .execute();
    this.writers.unshift({
      attempt: this.attempt,
      writer: await this.log.writer(this.runId, this.attempt),
    });
  }

  /** A new process; viewers come to it with the cursors that they have, and old writers turn up as ghosts. */
  private async crash(): Promise<void> {
    this.log = new SqlEventLog(this.database);
    await this.takeOver();
    for (const reader of this.readers) {
      await reader.disconnect();
      reader.connect(this.log);
    }
  }

  private async append(writerIndex: number, events: number, long: boolean, wait: boolean): Promise<void> {
    const { attempt, writer } = this.writers[writerIndex % this.writers.length]!;
    const appends = Array.from({ length: events }, (): Append => {
      this.count += 1;
      const text = long ? `${this.count}`.padEnd(40_000, '.') : String(this.count);
      return { attempt, text, isStale: attempt < this.attempt, outcome: 'pending' };
    });
    this.appends.push(...appends);
    const settled = writer
      .append(...appends.map(({ text }): RunEvent => ({ type: 'token', data: { text } })))
      .then(
        () => 'written' as const,
        (error: Error) => (error.message === 'the answer was lost' ? 'unknown' : 'refused'),
      )
      .then((outcome) => appends.forEach((each) => (each.outcome = outcome)));
    this.settling.push(settled);
    if (wait) await settled;
  }

  /** The last owner ends the run; who left comes back for the rest. */
  async end(): Promise<string[]> {
    await Promise.all(this.settling);
    this.database.failure = 'none';
    await this.takeOver();
    for (const reader of this.readers) {
      await reader.disconnect();
      reader.connect(this.log);
    }
    await this.writers[0]!.writer.end(DONE, async () => undefined);
    await Promise.all(this.readers.map((reader) => reader.ended()));
    for (const { writer } of this.writers) writer.close();
    return this.whole();
  }

  private async whole(): Promise<string[]> {
    const lines: string[] = [];
    for (let pages = await this.log.read(this.runId, 0); pages.length > 0;) {
      lines.push(...[...placeEvents(pages)].map(lineOf));
      pages = await this.log.read(this.runId, lines.length);
    }
    return lines;
  }
}

const ROW = {
  tenant_id: 'default',
  user_id: 'usr_1',
  number: 1,
  status: 'queued',
  model: 'm',
  principal_json: '{}',
  on_disconnect: 'continue',
  usage_json: '{}',
  created_at: 1,
};

describe('the log against its model', () => {
  const database = new FarDatabase(IN_MEMORY);
  beforeAll(() => database.open());
  afterAll(() => database.close());

  it(`holds what was accepted and nothing else, and shows it whole and once to every reader, in ${RUNS} stories`, async () => {
    const stories = fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(), async (steps, delays) => {
      database.random = new Random(delays);
      const world = new World(database);
      await world.takeOver();
      for (const each of steps) await world.do(each);
      const log = await world.end();

      const texts = new Set(log.map((line) => line.slice(line.indexOf(' ') + 1)));
      const written = world.appends.filter(
        ({ outcome, text }) =>
          outcome === 'written' || (outcome === 'unknown' && texts.has(text.slice(0, 12))),
      );
      // Owners follow each other, and each writes in its own order: so the log is sorted by attempt, then as handed over.
      const expected = written
        .toSorted((a, b) => a.attempt - b.attempt)
        .map(({ attempt, text }, index) => `${attempt}.${index + 1} ${text.slice(0, 12)}`);
      expect(log.slice(0, -1)).toEqual(expected);
      expect(log.at(-1)).toMatch(new RegExp(`^\\d+\\.${log.length} done$`));
      expect(written.filter(({ isStale }) => isStale)).toEqual([]);
      for (const reader of world.readers) expect(reader.seen).toEqual(log.slice(reader.cursor));
    });
    const seed = process.env['TEST_SEED'];
    await fc.assert(stories, {
      numRuns: RUNS,
      timeout: 5_000,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    });
  });
});
