import { beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../errors/app-error.js';
import { AuditQueue, MOST_WAITING } from './audit-queue.js';
import type { NewAuditRow } from './audit-row.js';

let stored: string[][];
let lost: string[];
let failures: unknown[];
let waits: { milliseconds: number; signal: AbortSignal | undefined; over: () => void }[];
let queue: AuditQueue;

beforeEach(() => {
  [stored, lost, failures, waits] = [[], [], [], []];
  queue = new AuditQueue({
    insert: async (rows) => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      stored.push(rows.map(({ id }) => id));
    },
    lose: (rows) => lost.push(...rows.map(({ id }) => id)),
    delay: (milliseconds, signal) => new Promise<void>((over) => waits.push({ milliseconds, signal, over })),
  });
});

const add = (...ids: string[]) => ids.forEach((id) => queue.add({ id } as NewAuditRow));
/** Ends all waits, and lets everything happen that follows. */
const pass = async () => {
  for (const { over } of waits.splice(0)) over();
  await new Promise(setImmediate);
};
const away = () => new AppError('unavailable', 'away');

describe('the queue of the audit', () => {
  it('commits together what comes within a moment', async () => {
    add('a', 'b');
    add('c');
    expect(waits.map(({ milliseconds }) => milliseconds)).toEqual([40]);
    expect(stored).toEqual([]);
    await pass();
    expect(stored).toEqual([['a', 'b', 'c']]);
  });

  it('commits many in parts, in their order', async () => {
    add(...Array.from({ length: 120 }, (_, n) => String(n)));
    await pass();
    expect(stored.map((part) => part.length)).toEqual([50, 50, 20]);
    expect(stored.flat()).toEqual(Array.from({ length: 120 }, (_, n) => String(n)));
  });

  it('keeps rows while the store is away or full, and asks again ever less often', async () => {
    failures = [away(), new AppError('storage_full', 'full'), away()];
    add('a');
    const pauses: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      pauses.push(...waits.map(({ milliseconds }) => milliseconds));
      await pass();
    }
    expect(pauses).toEqual([40, 100, 200, 400]);
    expect([stored, lost]).toEqual([[['a']], []]);
  });

  it('holds so many rows and no more', async () => {
    failures = [away()];
    add(...Array.from({ length: MOST_WAITING + 2 }, (_, n) => String(n)));
    expect(lost).toEqual(['10000', '10001']);
    await pass();
    await pass();
    expect(stored.flat()).toHaveLength(MOST_WAITING);
  });

  it('loses the one row that the store does not take, and no other', async () => {
    const odd = new Error('no such column');
    failures = [odd, undefined, odd, undefined];
    add('a', 'b', 'c');
    await pass();
    expect([stored, lost]).toEqual([[['a'], ['c']], ['b']]);
    add('d');
    await pass();
    expect(stored.at(-1)).toEqual(['d']);
  });

  it('keeps the rest when the store goes away after a row that it does not take', async () => {
    failures = [new Error('no such column'), undefined, away()];
    add('a', 'b', 'c');
    await pass();
    expect([stored, lost]).toEqual([[['a']], []]);
    await pass();
    expect([stored, lost]).toEqual([[['a'], ['b', 'c']], []]);
  });

  it('tells who waits when all that came before is stored, though more comes all the time', async () => {
    add('a');
    const flushed = queue.flush(1_000).then(() => stored.flat().includes('a'));
    add('b');
    await pass();
    expect(await flushed).toBe(true);
    await queue.flush(1_000);
  });

  it('at the end stores what it can, and tells of all the rest', async () => {
    failures = [away(), away()];
    add('a', 'b');
    const closed = queue.close(3_000);
    await pass();
    await closed;
    add('c');
    expect([stored, lost]).toEqual([[], ['a', 'b', 'c']]);
  });

  it('leaves no timer behind for who has been told', async () => {
    add('a');
    const flushed = queue.flush(1_000);
    const limit = waits.find(({ milliseconds }) => milliseconds === 1_000);
    waits.splice(waits.indexOf(limit!), 1);
    await pass();
    await flushed;
    expect(limit?.signal?.aborted).toBe(true);
  });
});
