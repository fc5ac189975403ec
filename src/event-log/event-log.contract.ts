import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../database/ids.js';
import { until } from '../../test/support/until.js';
import type { EventLog, LogPage } from './event-log.js';
import { LogLost } from './log-lost.js';
import { lastSeq } from './log-page.js';
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

const token = (text: string): RunEvent => ({ type: 'token', data: { text } });
const DONE: RunEvent & { type: 'done' } = {
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

const settled = async () => undefined;

function texts(pages: LogPage[]): string[] {
  return pages.flatMap((page) =>
    page.entries.map((entry, index) => {
      const text = entry.type === 'token' ? (JSON.parse(entry.data) as { text: string }).text : entry.type;
      return `${page.attempt}.${page.firstSeq + index} ${text}`;
    }),
  );
}

/** The behaviour of every event log, as sentences. */
export function describeEventLog(name: string, open: () => Promise<EventLogBench>): void {
  describe(`${name} as an event log`, () => {
    let bench: EventLogBench;
    let runId: string;
    const stop = new AbortController();

    beforeEach(async () => {
      bench = await open();
      runId = newId('run');
      await bench.setAttempt(runId, 1);
    });
    afterEach(() => bench.close());

    function all(after = 0, signal: AbortSignal = stop.signal, log = bench.log): Promise<string[]> {
      return collect([], log, after, signal);
    }

    /** Reads on in the background; how that ends may be looked at later. */
    function collect(seen: string[], log: EventLog, after = 0, signal = stop.signal): Promise<string[]> {
      const reading = readAll(seen, log, after, signal);
      reading.catch(() => undefined);
      return reading;
    }

    async function readAll(
      seen: string[],
      log: EventLog,
      after: number,
      signal: AbortSignal,
    ): Promise<string[]> {
      for await (const pages of log.follow(runId, after, signal)) seen.push(...texts(pages));
      return seen;
    }

    it('counts events from 1 without holes, whatever is appended together', async () => {
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token('a'));
      await Promise.all([writer.append(token('b'), token('c')), writer.append(token('d'))]);
      await writer.end(DONE, settled);

      expect(await all()).toEqual(['1.1 a', '1.2 b', '1.3 c', '1.4 d', '1.5 done']);
      expect(writer.lastEventId).toBe(`${runId}.1.5`);
    });

    it('gives every reader the rest after its cursor, at every position', async () => {
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token('a'), token('b'));
      await writer.append(token('c'));
      await writer.end(DONE, settled);
      const whole = ['1.1 a', '1.2 b', '1.3 c', '1.4 done'];

      for (let after = 0; after < 4; after += 1) expect(await all(after)).toEqual(whole.slice(after));
    });

    it('gives the rest after a cursor inside what was appended together, also when nobody holds the run', async () => {
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token('a'), token('b'), token('c'));
      await writer.end(DONE, settled);
      writer.close();
      await writer.flushed();

      for (let after = 0; after < 4; after += 1) {
        expect(texts(await bench.log.read(runId, after))[0]).toMatch(new RegExp(`^1\\.${after + 1} `));
        expect(await all(after)).toEqual(['1.1 a', '1.2 b', '1.3 c', '1.4 done'].slice(after));
      }
    });

    it('wakes readers that wait, also those that came before the first event', async () => {
      const early = all();
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token('a'));
      const late = all(1);
      await writer.append(token('b'));
      await writer.end(DONE, settled);

      expect(await early).toEqual(['1.1 a', '1.2 b', '1.3 done']);
      expect(await late).toEqual(['1.2 b', '1.3 done']);
    });

    it('refuses a writer whose attempt is over, and goes on counting for the next', async () => {
      const first = await bench.log.writer(runId, 1);
      await first.append(token('a'));
      await bench.setAttempt(runId, 2);
      const second = await bench.log.writer(runId, 2);

      await expect(first.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
      await second.append(token('b'));
      await expect(first.append(token('stale again'))).rejects.toMatchObject({ code: 'fenced' });
      await second.end(DONE, settled);

      expect(await all()).toEqual(['1.1 a', '2.2 b', '2.3 done']);
    });

    it('refuses the older of two attempts that write in the same commit', async () => {
      const first = await bench.log.writer(runId, 1);
      await first.append(token('a'));
      const early = all();
      await bench.setAttempt(runId, 2);
      const second = await bench.log.writer(runId, 2);

      const outcomes = await Promise.allSettled([first.append(token('stale')), second.append(token('b'))]);
      await second.end(DONE, settled);

      expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'fulfilled']);
      expect(await early).toEqual(['1.1 a', '2.2 b', '2.3 done']);
    });

    it('refuses one run without touching the others in the same commit', async () => {
      const otherId = newId('run');
      await bench.setAttempt(otherId, 1);
      const stale = await bench.log.writer(runId, 1);
      const good = await bench.log.writer(otherId, 1);
      await bench.setAttempt(runId, 2);

      const outcomes = await Promise.allSettled([stale.append(token('x')), good.append(token('y'))]);

      expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'fulfilled']);
      expect(await bench.log.end(otherId)).toEqual({ attempt: 1, seq: 1, type: 'token' });
      expect(await bench.log.end(runId)).toBeUndefined();
    });

    it('shows the last event only after the final state is stored', async () => {
      const writer = await bench.log.writer(runId, 1);
      const order: string[] = [];
      const reader = all().then(() => order.push('shown'));

      await writer.end(DONE, async () => {
        order.push('stored');
      });
      await reader;

      expect(order).toEqual(['stored', 'shown']);
    });

    it('shows the last event also when the final state cannot be stored, and writes nothing after it', async () => {
      const writer = await bench.log.writer(runId, 1);
      const reader = all();
      const full = new Error('disk full');

      await expect(writer.end(DONE, () => Promise.reject(full))).rejects.toBe(full);
      await expect(writer.append(token('late'))).rejects.toMatchObject({ code: 'fenced' });

      expect(await reader).toEqual(['1.1 done']);
      expect(await bench.log.end(runId)).toEqual({ attempt: 1, seq: 1, type: 'done' });
    });

    it('keeps data to the byte', async () => {
      const text = 'line\nbreak\ttab "quote" \\ \u2028 \u0000 é 漢 \ud83d\ude00 event: done\n\ndata: x';
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token(text));

      const [page] = await bench.log.read(runId, 0);

      expect(page?.entries[0]?.data).toBe(JSON.stringify({ text }));
    });

    it('reads a long log in pieces of bounded size', async () => {
      const writer = await bench.log.writer(runId, 1);
      const text = 'x'.repeat(1000);
      for (let count = 0; count < 1000; count += 1) void writer.append(token(text));
      await writer.append(token('last'));

      const pages = await bench.log.read(runId, 0);
      const size = pages.flatMap((page) => page.entries).reduce((sum, entry) => sum + entry.data.length, 0);

      expect(size).toBeGreaterThan(30_000);
      expect(size).toBeLessThan(150_000);
      expect(pages.map((page) => page.firstSeq)).toEqual([
        1,
        ...pages.slice(0, -1).map((page) => lastSeq(page) + 1),
      ]);
    });

    it('gives hundreds of readers the same list while events come', async () => {
      const readers = Array.from({ length: 200 }, () => all());
      const writer = await bench.log.writer(runId, 1);
      for (let count = 1; count <= 50; count += 1) {
        void writer.append(token(String(count)));
        if (count % 7 === 0) await writer.append(token(`pause ${count}`));
      }
      await writer.end(DONE, settled);

      const [first, ...others] = await Promise.all(readers);

      expect(first).toHaveLength(58);
      for (const other of others) expect(other).toEqual(first);
    });

    it('knows which events it has', async () => {
      const writer = await bench.log.writer(runId, 1);
      await writer.append(token('a'), token('b'));

      expect(await bench.log.has(runId, 1, 2)).toBe(true);
      expect(await bench.log.has(runId, 1, 3)).toBe(false);
      expect(await bench.log.has(runId, 2, 2)).toBe(false);
      expect(await bench.log.end(runId)).toEqual({ attempt: 1, seq: 2, type: 'token' });
    });

    describe('on two nodes', () => {
      it('shows what one writes to the readers of both, each event once and in order', async () => {
        const early = [all(), all(0, stop.signal, bench.other), all(0, stop.signal, bench.other)];
        const writer = await bench.log.writer(runId, 1);
        for (let count = 1; count <= 30; count += 1) {
          void writer.append(token(String(count)));
          if (count % 3 === 0) await writer.append(token(`pause ${count}`));
        }
        const late = all(7, stop.signal, bench.other);
        await writer.end(DONE, settled);

        const [first, ...others] = await Promise.all(early);
        expect(first).toHaveLength(41);
        for (const seen of others) expect(seen).toEqual(first);
        expect(await late).toEqual(first?.slice(7));
      });

      it('shows it soon', async () => {
        const follower = bench.other.follow(runId, 0, stop.signal)[Symbol.asyncIterator]();
        const writer = await bench.log.writer(runId, 1);
        const delays: number[] = [];
        for (let count = 1; count <= 20; count += 1) {
          const next = follower.next();
          const began = performance.now();
          await writer.append(token(String(count)));
          expect(texts((await next).value ?? [])).toEqual([`1.${count} ${count}`]);
          delays.push(performance.now() - began);
        }
        await follower.return?.();
        const median = delays.toSorted((a, b) => a - b)[10] ?? 0;
        process.stdout.write(
          `${name}: append to the reader of another node, median ${median.toFixed(1)} ms\n`,
        );

        expect(median).toBeLessThan(1_000);
      });

      it('refuses the older attempt of another node, and knows the end at once', async () => {
        const older = await bench.other.writer(runId, 1);
        await older.append(token('a'));
        const readers = [all(), all(0, stop.signal, bench.other)];
        await bench.setAttempt(runId, 2);
        const newer = await bench.log.writer(runId, 2);

        await expect(older.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
        expect(older.refused.aborted).toBe(true);
        await newer.append(token('b'));
        expect(await bench.log.end(runId)).toEqual({ attempt: 2, seq: 2, type: 'token' });
        expect(await bench.other.end(runId)).toEqual({ attempt: 2, seq: 2, type: 'token' });
        expect(await bench.other.has(runId, 2, 2)).toBe(true);
        await newer.end(DONE, settled);

        for (const seen of await Promise.all(readers)) expect(seen).toEqual(['1.1 a', '2.2 b', '2.3 done']);
      });

      it('goes on when a run moves over and back', async () => {
        const readers = [all(), all(0, stop.signal, bench.other)];
        for (const [index, log] of [bench.log, bench.other, bench.log].entries()) {
          await bench.setAttempt(runId, index + 1);
          const writer = await log.writer(runId, index + 1, index * 2);
          await writer.append(token('a'));
          readers.push(all(0, stop.signal, bench.other));
          await writer.append(token('b'));
          if (index === 2) await writer.end(DONE, settled);
          writer.close();
        }

        const whole = ['1.1 a', '1.2 b', '2.3 a', '2.4 b', '3.5 a', '3.6 b', '3.7 done'];
        for (const seen of await Promise.all(readers)) expect(seen).toEqual(whole);
      });

      it('lets the readers of both go when the run is removed', async () => {
        const writer = await bench.log.writer(runId, 1);
        await writer.append(token('a'), token('b'));
        const [here, there]: [string[], string[]] = [[], []];
        const readers = [collect(here, bench.log), collect(there, bench.other)];
        await until('both have the events', () => here.length === 2 && there.length === 2);
        writer.close();
        await bench.log.remove(runId);

        expect(await Promise.all(readers)).toEqual([
          ['1.1 a', '1.2 b'],
          ['1.1 a', '1.2 b'],
        ]);
        expect(await bench.other.end(runId)).toBeUndefined();
      });
    });

    describe('whose store has lost events', () => {
      it('is begun anew under the next attempt, and readers on both nodes are told', async () => {
        const first = await bench.log.writer(runId, 1);
        await first.append(token('a'), token('b'), token('c'));
        const [here, there]: [string[], string[]] = [[], []];
        const readers = [collect(here, bench.log), collect(there, bench.other)];
        await until('both have the events', () => here.length === 3 && there.length === 3);

        await bench.setAttempt(runId, 2);
        const second = await bench.log.writer(runId, 2, 9);
        expect([second.lastSeq, second.lastEventId]).toEqual([0, null]);
        for (const reader of readers) await expect(reader).rejects.toBeInstanceOf(LogLost);

        const again = [all(), all(0, stop.signal, bench.other)];
        await expect(first.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
        await second.append(token('x'));
        await second.end(DONE, settled);
        for (const seen of await Promise.all(again)) expect(seen).toEqual(['2.1 x', '2.2 done']);
        expect(await bench.other.has(runId, 1, 1)).toBe(false);
      });

      it('tells also who comes with a place that it does not have', async () => {
        const first = await bench.log.writer(runId, 1);
        await first.append(token('a'), token('b'), token('c'));
        await bench.setAttempt(runId, 2);
        const second = await bench.log.writer(runId, 2, 9);
        await second.append(token('x'));

        await expect(all(3)).rejects.toBeInstanceOf(LogLost);
        await expect(all(2, stop.signal, bench.other)).rejects.toBeInstanceOf(LogLost);
        expect(texts(await bench.other.read(runId, 0))).toEqual(['2.1 x']);
      });

      it('does not disturb readers who have had nothing yet', async () => {
        const readers = [all(), all(0, stop.signal, bench.other)];
        const writer = await bench.log.writer(runId, 1, 5);
        await writer.append(token('a'));
        await writer.end(DONE, settled);

        for (const seen of await Promise.all(readers)) expect(seen).toEqual(['1.1 a', '1.2 done']);
      });

      it('goes on where it ends when all that is known is there', async () => {
        const first = await bench.log.writer(runId, 1);
        await first.append(token('a'), token('b'));
        await bench.setAttempt(runId, 2);
        const second = await bench.other.writer(runId, 2, 2);

        expect([second.lastSeq, second.lastEventId]).toEqual([2, `${runId}.1.2`]);
      });
    });

    describe('whose store is away', () => {
      it('keeps what is appended, writes each event once when the store is back, and shows it to all', async () => {
        const writer = await bench.log.writer(runId, 1);
        await writer.append(token('before'));
        const [here, there]: [string[], string[]] = [[], []];
        const readers = [collect(here, bench.log), collect(there, bench.other)];
        await until('both have the first', () => here.length === 1 && there.length === 1);

        const appends: Promise<void>[] = [];
        for (let round = 0; round < 3; round += 1) {
          bench.breakStore();
          for (let count = 0; count < 5; count += 1) {
            appends.push(writer.append(token(`${round}.${count}`)));
            await new Promise((resolve) => setTimeout(resolve, 10));
          }
          bench.healStore();
          await Promise.all(appends);
        }
        await writer.end(DONE, settled);

        const middle = [0, 1, 2].flatMap((round) => [0, 1, 2, 3, 4].map((count) => `${round}.${count}`));
        const whole = ['before', ...middle, 'done'].map((text, index) => `1.${index + 1} ${text}`);
        expect(await Promise.all(readers)).toEqual([whole, whole]);
        expect(writer.refused.aborted).toBe(false);
      });

      it('lets readers wait, also those who come meanwhile, and shows them everything afterwards', async () => {
        const writer = await bench.log.writer(runId, 1);
        await writer.append(token('a'), token('b'));
        const early = all(0, stop.signal, bench.other);
        bench.breakStore();
        const late = [all(1, stop.signal, bench.other), all(0, stop.signal, bench.other)];
        const leave = new AbortController();
        const left = all(0, leave.signal, bench.other);
        const written = writer.append(token('c'));
        leave.abort();
        await left;
        bench.healStore();
        await written;
        await writer.end(DONE, settled);

        const whole = ['1.1 a', '1.2 b', '1.3 c', '1.4 done'];
        expect(await early).toEqual(whole);
        expect(await Promise.all(late)).toEqual([whole.slice(1), whole]);
      });

      it('says so to everybody else', async () => {
        bench.breakStore();
        const questions = [
          bench.other.end(runId),
          bench.other.has(runId, 1, 1),
          bench.other.read(runId, 0),
          bench.other.writer(runId, 1),
        ];
        const answers = await Promise.allSettled(questions);
        bench.healStore();

        for (const answer of answers)
          expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
      });
    });

    it('lets a reader go at once when it is aborted', async () => {
      const leave = new AbortController();
      const reader = all(0, leave.signal);
      leave.abort();

      expect(await reader).toEqual([]);
    });
  });
}
