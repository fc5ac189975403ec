import { describe, expect, it } from '@jest/globals';
import { newId } from '../database/ids.js';
import { lastSeq } from './log-page.js';
import { DONE, type EventLogBench, LogStage, settled, texts, token } from './log-stage.contract.js';
import { describeManyNodes } from './many-nodes.contract.js';

/** The behaviour of every event log, as sentences. */
export function describeEventLog(name: string, open: () => Promise<EventLogBench>): void {
  describe(`${name} as an event log`, () => {
    const stage = new LogStage(open);

    it('counts events from 1 without holes, whatever is appended together', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'));
      await Promise.all([writer.append(token('b'), token('c')), writer.append(token('d'))]);
      await writer.end(DONE, settled);

      expect(await stage.all()).toEqual(['1.1 a', '1.2 b', '1.3 c', '1.4 d', '1.5 done']);
      expect(writer.lastEventId).toBe(`${stage.runId}.1.5`);
    });

    it('gives every reader the rest after its cursor, at every position', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'), token('b'));
      await writer.append(token('c'));
      await writer.end(DONE, settled);
      const whole = ['1.1 a', '1.2 b', '1.3 c', '1.4 done'];

      for (let after = 0; after < 4; after += 1) expect(await stage.all(after)).toEqual(whole.slice(after));
    });

    it('gives the rest after a cursor inside what was appended together, also when nobody holds the run', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'), token('b'), token('c'));
      await writer.end(DONE, settled);
      writer.close();
      await writer.flushed();

      for (let after = 0; after < 4; after += 1) {
        expect(texts(await stage.bench.log.read(stage.runId, after))[0]).toMatch(
          new RegExp(`^1\\.${after + 1} `),
        );
        expect(await stage.all(after)).toEqual(['1.1 a', '1.2 b', '1.3 c', '1.4 done'].slice(after));
      }
    });

    it('wakes readers that wait, also those that came before the first event', async () => {
      const early = stage.all();
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'));
      const late = stage.all(1);
      await writer.append(token('b'));
      await writer.end(DONE, settled);

      expect(await early).toEqual(['1.1 a', '1.2 b', '1.3 done']);
      expect(await late).toEqual(['1.2 b', '1.3 done']);
    });

    it('refuses a writer whose attempt is over, and goes on counting for the next', async () => {
      const first = await stage.bench.log.writer(stage.runId, 1);
      await first.append(token('a'));
      await stage.bench.setAttempt(stage.runId, 2);
      const second = await stage.bench.log.writer(stage.runId, 2);

      await expect(first.append(token('stale'))).rejects.toMatchObject({ code: 'fenced' });
      await second.append(token('b'));
      await expect(first.append(token('stale again'))).rejects.toMatchObject({ code: 'fenced' });
      await second.end(DONE, settled);

      expect(await stage.all()).toEqual(['1.1 a', '2.2 b', '2.3 done']);
    });

    it('refuses the older of two attempts that write in the same commit', async () => {
      const first = await stage.bench.log.writer(stage.runId, 1);
      await first.append(token('a'));
      const early = stage.all();
      await stage.bench.setAttempt(stage.runId, 2);
      const second = await stage.bench.log.writer(stage.runId, 2);

      const outcomes = await Promise.allSettled([first.append(token('stale')), second.append(token('b'))]);
      await second.end(DONE, settled);

      expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'fulfilled']);
      expect(await early).toEqual(['1.1 a', '2.2 b', '2.3 done']);
    });

    it('refuses one run without touching the others in the same commit', async () => {
      const otherId = newId('run');
      await stage.bench.setAttempt(otherId, 1);
      const stale = await stage.bench.log.writer(stage.runId, 1);
      const good = await stage.bench.log.writer(otherId, 1);
      await stage.bench.setAttempt(stage.runId, 2);

      const outcomes = await Promise.allSettled([stale.append(token('x')), good.append(token('y'))]);

      expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'fulfilled']);
      expect(await stage.bench.log.end(otherId)).toEqual({ attempt: 1, seq: 1, type: 'token' });
      expect(await stage.bench.log.end(stage.runId)).toBeUndefined();
    });

    it('shows the last event only after the final state is stored', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      const order: string[] = [];
      const reader = stage.all().then(() => order.push('shown'));

      await writer.end(DONE, async () => {
        order.push('stored');
      });
      await reader;

      expect(order).toEqual(['stored', 'shown']);
    });

    it('shows the last event also when the final state cannot be stored, and writes nothing after it', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      const reader = stage.all();
      const full = new Error('disk full');

      await expect(writer.end(DONE, () => Promise.reject(full))).rejects.toBe(full);
      await expect(writer.append(token('late'))).rejects.toMatchObject({ code: 'fenced' });

      expect(await reader).toEqual(['1.1 done']);
      expect(await stage.bench.log.end(stage.runId)).toEqual({ attempt: 1, seq: 1, type: 'done' });
    });

    it('keeps data to the byte', async () => {
      const text = 'line\nbreak\ttab "quote" \\ \u2028 \u0000 é 漢 \ud83d\ude00 event: done\n\ndata: x';
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token(text));

      const [page] = await stage.bench.log.read(stage.runId, 0);

      expect(page?.entries[0]?.data).toBe(JSON.stringify({ text }));
    });

    it('reads a long log in pieces of bounded size', async () => {
      const writer = await stage.bench.log.writer(stage.runId, 1);
      const text = 'x'.repeat(1000);
      for (let count = 0; count < 1000; count += 1) void writer.append(token(text));
      await writer.append(token('last'));

      const pages = await stage.bench.log.read(stage.runId, 0);
      const size = pages.flatMap((page) => page.entries).reduce((sum, entry) => sum + entry.data.length, 0);

      expect(size).toBeGreaterThan(30_000);
      expect(size).toBeLessThan(150_000);
      expect(pages.map((page) => page.firstSeq)).toEqual([
        1,
        ...pages.slice(0, -1).map((page) => lastSeq(page) + 1),
      ]);
    });

    it('gives hundreds of readers the same list while events come', async () => {
      const readers = Array.from({ length: 200 }, () => stage.all());
      const writer = await stage.bench.log.writer(stage.runId, 1);
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
      const writer = await stage.bench.log.writer(stage.runId, 1);
      await writer.append(token('a'), token('b'));

      expect(await stage.bench.log.has(stage.runId, 1, 2)).toBe(true);
      expect(await stage.bench.log.has(stage.runId, 1, 3)).toBe(false);
      expect(await stage.bench.log.has(stage.runId, 2, 2)).toBe(false);
      expect(await stage.bench.log.end(stage.runId)).toEqual({ attempt: 1, seq: 2, type: 'token' });
    });

    describeManyNodes(name, stage);

    it('knows which of them is the last', async () => {
      const { log } = stage.bench;
      const writer = await log.writer(stage.runId, 1);
      await writer.append(token('a'));
      expect(await log.isDone(stage.runId, 1, 1)).toBe(false);
      await writer.end(DONE, settled);
      writer.close();
      expect(await log.isDone(stage.runId, 1, 1)).toBe(false);
      expect(await log.isDone(stage.runId, 1, 2)).toBe(true);
    });

    it('lets a reader go at once when it is aborted', async () => {
      const leave = new AbortController();
      const reader = stage.all(0, leave.signal);
      leave.abort();

      expect(await reader).toEqual([]);
    });
  });
}
