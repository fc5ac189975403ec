import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { AbortableQueryOptions, CompiledQuery } from 'kysely';
import { Random } from '../../../test/support/random.js';
import { over } from '../../../test/support/over.js';
import type { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { type HearNotice, Notices, type NoticeTopic } from '../../database/notices.js';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import { AppError } from '../../errors/app-error.js';
import type { EventLog, LogWriter } from '../event-log.js';
import { LogLost } from '../log-lost.js';
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

/** How the next commit fails: before or after it is stored, and in a way that is tried again (`away`) or not. */
const FAILURES = ['failing commit', 'lost answer', 'away', 'away with the answer'] as const;
type Failure = (typeof FAILURES)[number];

/** `writer`, `reader` and `cursor` are taken modulo what there is. */
type Step =
  | { do: 'append'; writer: number; events: number; long: boolean; wait: boolean }
  | { do: 'takeover' | 'crash' | 'loss' | 'pause' }
  | { do: Failure }
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
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'takeover' }, { do: 'crash' }, { do: 'loss' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'pause' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>(...FAILURES.map((failure) => ({ do: failure }))) },
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
  failure: 'none' | Failure = 'none';
  random = new Random(0);

  override async open(): Promise<void> {
    await super.open();
    const executor = this.kysely.getExecutor();
    const execute = executor.executeQuery.bind(executor);
    executor.executeQuery = async <R>(query: CompiledQuery<R>, options?: AbortableQueryOptions) => {
      await this.distance();
      const isAppend = query.sql.includes('insert into run_pages');
      if (isAppend && this.took('failing commit')) throw new Error('disk failure');
      if (isAppend && this.took('away')) throw new AppError('unavailable', 'away');
      const result = await execute<R>(query, options);
      await this.distance();
      if (isAppend && this.took('lost answer')) throw new Error('the answer was lost');
      if (isAppend && this.took('away with the answer')) throw new AppError('unavailable', 'away');
      return result;
    };
  }

  private async distance(): Promise<void> {
    for (let turns = this.random.between(0, 4); turns > 0; turns -= 1) await new Promise(setImmediate);
  }

  private took(failure: Failure): boolean {
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

/** Notices between processes; some are lost. */
class LossyHub {
  private readonly members = new Set<LossyNotices>();

  constructor(private readonly random: Random) {}

  join(): Notices {
    const member = new LossyNotices((id) => {
      for (const other of this.members) {
        if (other !== member && this.random.between(0, 3) > 0) setImmediate(() => other.hear?.([id]));
      }
    });
    this.members.add(member);
    return member;
  }

  /** As after a broken connection: everybody looks by himself. */
  tellAll(): void {
    for (const member of this.members) member.hear?.('unknown');
  }
}

class LossyNotices extends Notices {
  override readonly isLive = true;
  hear: HearNotice | undefined;

  constructor(private readonly tell: (id: string) => void) {
    super();
  }

  override send(_topic: NoticeTopic, id: string): void {
    this.tell(id);
  }

  override listen(_topic: NoticeTopic, hear: HearNotice): () => void {
    this.hear = hear;
    return () => (this.hear = undefined);
  }
}

/** A viewer that keeps its cursor over all its connections, and begins anew when its log is lost. */
class Reader {
  seen: string[] = [];
  /** What was seen by an earlier life of this viewer. */
  cursor: number;
  private leave = new AbortController();
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private place: { attempt: number; seq: number } | undefined,
    private readonly runId: string,
  ) {
    this.cursor = place?.seq ?? 0;
  }

  connect(log: EventLog): void {
    this.leave = new AbortController();
    this.reading = this.resume(log, this.leave.signal);
  }

  async disconnect(): Promise<void> {
    this.leave.abort();
    await this.reading;
  }

  ended(): Promise<void> {
    return this.reading;
  }

  /** As the door does it: a cursor that the log does not have is answered with the whole run. */
  private async resume(log: EventLog, signal: AbortSignal): Promise<void> {
    if (this.place !== undefined && !(await log.has(this.runId, this.place.attempt, this.place.seq)))
      this.begin();
    while (!signal.aborted) {
      try {
        await this.read(log, signal);
        return;
      } catch (error) {
        if (!(error instanceof LogLost)) throw error;
        this.begin();
      }
    }
  }

  private begin(): void {
    this.seen = [];
    this.cursor = 0;
    this.place = undefined;
  }

  private async read(log: EventLog, signal: AbortSignal): Promise<void> {
    for await (const pages of log.follow(this.runId, this.cursor + this.seen.length, signal)) {
      for (const event of placeEvents(pages)) {
        this.seen.push(lineOf(event));
        this.place = { attempt: event.attempt, seq: event.seq };
      }
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
  /** The attempt that began the log. */
  firstAttempt = 1;
  private readonly hub: LossyHub;
  private readonly logs: SqlEventLog[];
  private count = 0;

  constructor(private readonly database: FarDatabase) {
    this.hub = new LossyHub(database.random);
    this.logs = [this.newLog(), this.newLog()];
  }

  /** One of the processes. */
  private get log(): SqlEventLog {
    return this.logs[this.database.random.between(0, 1)]!;
  }

  private newLog(): SqlEventLog {
    const view = over<Database>(this.database, { exclusive: false, notices: this.hub.join() });
    return new SqlEventLog(view, { delay: () => new Promise(setImmediate) });
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case 'append':
        return this.append(step.writer, step.events, step.long, step.wait);
      case 'takeover':
        return this.takeOver();
      case 'crash':
        return this.crash();
      case 'loss':
        return this.lose();
      case 'failing commit':
      case 'lost answer':
      case 'away':
      case 'away with the answer':
        this.database.failure = step.do;
        return;
      case 'pause':
        return new Promise((resolve) => setImmediate(resolve));
      case 'join': {
        const end = await this.log.end(this.runId);
        const cursor = step.cursor % ((end?.seq ?? 0) + 1);
        const [page] = cursor === 0 ? [] : await this.log.read(this.runId, cursor - 1);
        const reader = new Reader(page && { attempt: page.attempt, seq: cursor }, this.runId);
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
  async takeOver(leastSeq = 0): Promise<void> {
    this.attempt += 1;
    await this.database
      .acrossTenants()
      .insertInto('runs')
      .values({ ...ROW, id: this.runId, session_id: this.runId, attempt: this.attempt })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ attempt: this.attempt }))
      .execute();
    this.writers.unshift({
      attempt: this.attempt,
      writer: await this.log.writer(this.runId, this.attempt, leastSeq),
    });
  }

  /** More is known of the run than its log has: the next owner begins it anew. */
  private async lose(): Promise<void> {
    this.firstAttempt = this.attempt + 1;
    await this.takeOver(1_000_000);
  }

  /** A new process; viewers come to one that lives with the cursors that they have, and old writers turn up as ghosts. */
  private async crash(): Promise<void> {
    const dead = this.database.random.between(0, 1);
    await this.logs[dead]?.close();
    this.logs[dead] = this.newLog();
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
        (error: Error) => (isRefusal(error) ? 'refused' : 'unknown'),
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
    this.hub.tellAll();
    await Promise.all(this.readers.map((reader) => reader.ended()));
    for (const { writer } of this.writers) writer.close();
    for (const log of this.logs) await log.close();
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

/** After any other error the event may be there: an answer before it may have been lost. */
const isRefusal = (error: Error): boolean =>
  error instanceof LogLost || (error instanceof AppError && error.code === 'fenced');

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
        ({ attempt, outcome, text }) =>
          attempt >= world.firstAttempt &&
          (outcome === 'written' || (outcome === 'unknown' && texts.has(text.slice(0, 12)))),
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
  }, 60_000);
});
