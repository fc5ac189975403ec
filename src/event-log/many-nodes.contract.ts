import { describe, expect, it } from '@jest/globals';
import { LogLost } from './log-lost.js';
import { DONE, type LogStage, settled, texts, token, until } from './log-stage.contract.js';

/** The behaviour of an event log that several nodes share, whose store may lose events or be away. */
export function describeManyNodes(name: string, stage: LogStage): void {
  describe('on two nodes', () => {
    it('shows what one writes to the readers of both, each event once and in order', async () => {
      const early = [
        stage.all(),
        stage.all(0, stage.stop.signal, stage.bench.other),
        stage.all(0, stage.stop.signal, stage.bench.other),
      ];
      const writer = await stage.bench.log.writer(stage.runId, 1);
      for (let count = 1; count <= 30; count += 1) {
        void writer.append(token(String(count)));
        if (count % 3 === 0) await writer.append(token(`pause ${count}`));
      }
      const late = stage.all(7, stage.stop.signal, stage.bench.other);
      await writer.end(DONE, settled);

      const [first, ...others] = await Promise.all(early);
      expect(first).toHaveLength(41);
      for (const seen of others) expect(seen).toEqual(first);
      expect(await late).toEqual(first?.slice(7));
    });

    it('shows a long log whole to who was not there, when it is over', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      for (let count = 0; count < 300; count += 1) void writer.append(token('x'.repeat(1_000)));
      await writer.end(DONE, settled);
      writer.close();

      const read = await stage.all(0, stage.stop.signal, stage.bench.other);
      expect([read.length, read.at(-1)]).toEqual([301, '1.301 done']);
    });

    it('shows a long log as far as it goes to who was not there, while its writer is silent', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      for (let count = 0; count < 300; count += 1) void writer.append(token('x'.repeat(1_000)));
      await writer.append(token('so far'));
      const read: string[] = [];
      const reading = stage.collect(read, stage.bench.other);
      await until('all that was written', () => read.at(-1) === '1.301 so far');
      await writer.end(DONE, settled);
      await reading;

      expect([read.length, read.at(-1)]).toEqual([302, '1.302 done']);
    });

    it('hands nothing to a reader that gave up while the store was read, so that it can come back', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'));
      const leave = new AbortController();
      const reading = stage.bench.other.follow(stage.runId, 0, leave.signal)[Symbol.asyncIterator]().next();
      leave.abort();

      expect(await reading).toEqual({ done: true, value: undefined });
    });

    it('shows it soon', async () => {
      const follower = stage.bench.other.follow(stage.runId, 0, stage.stop.signal)[Symbol.asyncIterator]();
      const writer = await stage.bench.log.writer(stage.runId, 1);
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
      process.stdout.write(`${name}: append to the reader of another node, median ${median.toFixed(1)} ms\n`);

      expect(median).toBeLessThan(1_000);
    });

    it('refuses the older attempt of another node, and knows the end at once', async () => {
      const older = await stage.bench.other.writer(stage.runId, 1);
      await older.append(token('a'));
      const readers = [stage.all(), stage.all(0, stage.stop.signal, stage.bench.other)];
      await stage.bench.setAttempt(stage.runId, 2);
      const newer = await stage.bench.log.writer(stage.runId, 2);

      await expect(older.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
      expect(older.refused.aborted).toBe(true);
      await newer.append(token('b'));
      expect(await stage.bench.log.end(stage.runId)).toEqual({ attempt: 2, seq: 2, type: 'token' });
      expect(await stage.bench.other.end(stage.runId)).toEqual({ attempt: 2, seq: 2, type: 'token' });
      expect(await stage.bench.other.has(stage.runId, 2, 2)).toBe(true);
      await newer.end(DONE, settled);

      for (const seen of await Promise.all(readers)) expect(seen).toEqual(['1.1 a', '2.2 b', '2.3 done']);
    });

    it('goes on when a run moves over and back', async () => {
      const readers = [stage.all(), stage.all(0, stage.stop.signal, stage.bench.other)];
      for (const [index, log] of [stage.bench.log, stage.bench.other, stage.bench.log].entries()) {
        await stage.bench.setAttempt(stage.runId, index + 1);
        const writer = await log.writer(stage.runId, index + 1, index * 2);
        await writer.append(token('a'));
        readers.push(stage.all(0, stage.stop.signal, stage.bench.other));
        await writer.append(token('b'));
        if (index === 2) await writer.end(DONE, settled);
        writer.close();
      }

      const whole = ['1.1 a', '1.2 b', '2.3 a', '2.4 b', '3.5 a', '3.6 b', '3.7 done'];
      for (const seen of await Promise.all(readers)) expect(seen).toEqual(whole);
    });

    it('lets the readers of both go when the run is removed', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'), token('b'));
      const [here, there]: [string[], string[]] = [[], []];
      const readers = [stage.collect(here, stage.bench.log), stage.collect(there, stage.bench.other)];
      await until('both have the events', () => here.length === 2 && there.length === 2);
      writer.close();
      await stage.bench.log.remove(stage.runId);

      expect(await Promise.all(readers)).toEqual([
        ['1.1 a', '1.2 b'],
        ['1.1 a', '1.2 b'],
      ]);
      expect(await stage.bench.other.end(stage.runId)).toBeUndefined();
    });
  });

  describe('whose store has lost events', () => {
    it('is begun anew under the next attempt, and readers on both nodes are told', async () => {
      const first = await stage.bench.log.writer(stage.runId, 1);
      await first.append(token('a'), token('b'), token('c'));
      const [here, there]: [string[], string[]] = [[], []];
      const readers = [stage.collect(here, stage.bench.log), stage.collect(there, stage.bench.other)];
      await until('both have the events', () => here.length === 3 && there.length === 3);

      await stage.bench.setAttempt(stage.runId, 2);
      const second = await stage.bench.log.writer(stage.runId, 2, 9);
      expect([second.lastSeq, second.lastEventId]).toEqual([0, null]);
      for (const reader of readers) await expect(reader).rejects.toBeInstanceOf(LogLost);

      const again = [stage.all(), stage.all(0, stage.stop.signal, stage.bench.other)];
      await expect(first.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
      await second.append(token('x'));
      await second.end(DONE, settled);
      for (const seen of await Promise.all(again)) expect(seen).toEqual(['2.1 x', '2.2 done']);
      expect(await stage.bench.other.has(stage.runId, 1, 1)).toBe(false);
    });

    it('tells also who comes with a place that it does not have', async () => {
      const first = await stage.bench.log.writer(stage.runId, 1);
      await first.append(token('a'), token('b'), token('c'));
      await stage.bench.setAttempt(stage.runId, 2);
      const second = await stage.bench.log.writer(stage.runId, 2, 9);
      await second.append(token('x'));

      await expect(stage.all(3)).rejects.toBeInstanceOf(LogLost);
      await expect(stage.all(2, stage.stop.signal, stage.bench.other)).rejects.toBeInstanceOf(LogLost);
      expect(texts(await stage.bench.other.read(stage.runId, 0))).toEqual(['2.1 x']);
    });

    it('does not disturb readers who have had nothing yet', async () => {
      const readers = [stage.all(), stage.all(0, stage.stop.signal, stage.bench.other)];
      const writer = await stage.bench.log.writer(stage.runId, 1, 5);
      await writer.append(token('a'));
      await writer.end(DONE, settled);

      for (const seen of await Promise.all(readers)) expect(seen).toEqual(['1.1 a', '1.2 done']);
    });

    it('goes on where it ends when all that is known is there', async () => {
      const first = await stage.bench.log.writer(stage.runId, 1);
      await first.append(token('a'), token('b'));
      await stage.bench.setAttempt(stage.runId, 2);
      const second = await stage.bench.other.writer(stage.runId, 2, 2);

      expect([second.lastSeq, second.lastEventId]).toEqual([2, `${stage.runId}.1.2`]);
    });
  });

  describe('whose store is away', () => {
    it('keeps what is appended, writes each event once when the store is back, and shows it to all', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('before'));
      const [here, there]: [string[], string[]] = [[], []];
      const readers = [stage.collect(here, stage.bench.log), stage.collect(there, stage.bench.other)];
      await until('both have the first', () => here.length === 1 && there.length === 1);

      const appends: Promise<void>[] = [];
      for (let round = 0; round < 3; round += 1) {
        stage.bench.breakStore();
        for (let count = 0; count < 5; count += 1) {
          appends.push(writer.append(token(`${round}.${count}`)));
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        stage.bench.healStore();
        await Promise.all(appends);
      }
      await writer.end(DONE, settled);

      const middle = [0, 1, 2].flatMap((round) => [0, 1, 2, 3, 4].map((count) => `${round}.${count}`));
      const whole = ['before', ...middle, 'done'].map((text, index) => `1.${index + 1} ${text}`);
      expect(await Promise.all(readers)).toEqual([whole, whole]);
      expect(writer.refused.aborted).toBe(false);
    });

    it('lets readers wait, also those who come meanwhile, and shows them everything afterwards', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'), token('b'));
      const early = stage.all(0, stage.stop.signal, stage.bench.other);
      stage.bench.breakStore();
      const late = [
        stage.all(1, stage.stop.signal, stage.bench.other),
        stage.all(0, stage.stop.signal, stage.bench.other),
      ];
      const leave = new AbortController();
      const left = stage.all(0, leave.signal, stage.bench.other);
      const written = writer.append(token('c'));
      leave.abort();
      await left;
      stage.bench.healStore();
      await written;
      await writer.end(DONE, settled);

      const whole = ['1.1 a', '1.2 b', '1.3 c', '1.4 done'];
      expect(await early).toEqual(whole);
      expect(await Promise.all(late)).toEqual([whole.slice(1), whole]);
    });

    it('says so to everybody else', async () => {
      stage.bench.breakStore();
      const questions = [
        stage.bench.other.end(stage.runId),
        stage.bench.other.has(stage.runId, 1, 1),
        stage.bench.other.read(stage.runId, 0),
        stage.bench.other.writer(stage.runId, 1),
      ];
      const answers = await Promise.allSettled(questions);
      stage.bench.healStore();

      for (const answer of answers)
        expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    });
  });
}
