import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { array, assert, integer, property } from 'fast-check';
import type { LogPage } from '../event-log.js';
import { lastSeq } from '../log-page.js';
import { RunTail } from './run-tail.js';
import { Waiter } from './waiter.js';

const never = new AbortController().signal;

function page(firstSeq: number, ...texts: string[]): LogPage {
  return { runId: 'run_1', attempt: 1, firstSeq, entries: texts.map((data) => ({ type: 'token', data })) };
}

const seqs = (rest: { pages: LogPage[] } | undefined) =>
  rest?.pages.flatMap(({ firstSeq, entries }) => entries.map((_, index) => firstSeq + index));

const ones = (count: number) => Array<number>(count).fill(1);

/** Of 70 small pages, each with what is other about it: how many events the pages have that a reader gets. */
function lengthsOf(change: (seq: number) => Partial<LogPage>, hiddenFrom = Infinity): number[] | undefined {
  const tail = new RunTail();
  tail.hiddenFrom = hiddenFrom;
  for (let seq = 1; seq <= 70; seq += 1) tail.push([{ ...page(seq, 'a'), ...change(seq) }]);
  return tail.after({ seq: 0 }, 1_000_000)?.pages.map(({ entries }) => entries.length);
}

describe('the tail of a run', () => {
  it('gives what follows a place, as far back as it reaches', () => {
    const tail = new RunTail();
    tail.learn({ seq: 4, attempt: 1 }, [page(5, 'a', 'b'), page(7, 'c')]);
    tail.push([page(8, 'd')]);

    expect(seqs(tail.after({ seq: 4 }, 100))).toEqual([5, 6, 7, 8]);
    expect(seqs(tail.after({ seq: 5 }, 100))).toEqual([6, 7, 8]);
    expect(seqs(tail.after({ seq: 7 }, 100))).toEqual([8]);
    expect(seqs(tail.after({ seq: 8 }, 100))).toEqual([]);
    expect(tail.after({ seq: 3 }, 100)).toBeUndefined();
    expect(tail.after({ seq: 0 }, 100)).toBeUndefined();
  });

  it('knows nothing while it is empty', () => {
    expect(new RunTail().after({ seq: 0 }, 100)).toBeUndefined();
  });

  it('gives as many pages as asked for by their size, and one at least', () => {
    const tail = new RunTail();
    tail.push([page(1, 'x'.repeat(100)), page(2, 'x'.repeat(100)), page(3, 'x')]);
    expect(seqs(tail.after({ seq: 0 }, 1))).toEqual([1]);
    expect(seqs(tail.after({ seq: 0 }, 100))).toEqual([1]);
    expect(seqs(tail.after({ seq: 0 }, 101))).toEqual([1, 2]);
    expect(seqs(tail.after({ seq: 0 }, 1_000))).toEqual([1, 2, 3]);
  });

  it('makes one page of many that are not the newest, since each is several objects', () => {
    const tail = new RunTail();
    for (let seq = 1; seq <= 100; seq += 1) tail.push([page(seq, 'a')]);
    const { pages } = tail.after({ seq: 0 }, 1_000)!;

    expect(pages.map(({ entries }) => entries.length)).toEqual([32, 32, ...ones(36)]);
    expect(seqs({ pages })).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    const rest = tail.after({ seq: 30 }, 1_000)!;
    expect(seqs(rest)).toEqual(Array.from({ length: 70 }, (_, index) => index + 31));
    expect(tail.after({ seq: 30 }, 1_000)!.pages[0]).toBe(rest.pages[0]);
  });

  it('keeps by themselves pages of another attempt, large ones and hidden ones', () => {
    expect(lengthsOf((seq) => ({ attempt: seq < 20 ? 1 : 2 }))).toEqual(ones(70));
    expect(lengthsOf((seq) => ({ entries: page(seq, 'a'.repeat(300)).entries }))).toEqual(ones(70));
    expect(lengthsOf(() => ({}), 20)).toEqual(ones(19));
    expect(lengthsOf(() => ({}))).toEqual([32, ...ones(38)]);
  });

  it('forgets what no longer joins what comes, so it never has a gap', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b')]);
    tail.push([page(9, 'c')]);
    expect(tail.after({ seq: 0 }, 100)).toBeUndefined();
    expect(tail.after({ seq: 2 }, 100)).toBeUndefined();
    expect(tail.after({ seq: 8 }, 100)).toBeUndefined();
    expect(seqs(tail.after({ seq: 9 }, 100))).toEqual([]);
  });

  it('passes over what it has already, whole or in part', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b')]);
    const { version } = tail;
    tail.push([page(1, 'a', 'b'), page(2, 'b')]);
    expect(tail.version).toBe(version);
    tail.push([page(2, 'b', 'c')]);

    expect(seqs(tail.after({ seq: 0 }, 100))).toEqual([1, 2, 3]);
    expect(tail.end).toEqual({ seq: 3, attempt: 1 });
  });

  it('tells nothing of a place whose event is of another attempt', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b'), page(3, 'c')]);

    expect(seqs(tail.after({ seq: 2, attempt: 1 }, 100))).toEqual([3]);
    expect(tail.after({ seq: 2, attempt: 2 }, 100)).toBeUndefined();
    expect(tail.after({ seq: 9, attempt: 1 }, 100)).toBeUndefined();
  });

  it('goes on over a takeover, and begins anew with a log that was begun anew', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b'), { ...page(3, 'c'), attempt: 2 }]);
    expect([tail.epoch, seqs(tail.after({ seq: 0 }, 100))]).toEqual([0, [1, 2, 3]]);

    tail.push([{ ...page(1, 'x'), attempt: 3 }]);
    expect([tail.epoch, tail.end]).toEqual([1, { seq: 1, attempt: 3 }]);
    tail.push([{ ...page(2, 'stale'), attempt: 2 }]);
    expect([tail.epoch, tail.end]).toEqual([1, { seq: 1, attempt: 3 }]);
  });

  it('learns from a read that the log is another one, and nothing from a read that is too old', () => {
    const tail = new RunTail();
    tail.push([{ ...page(1, 'a', 'b'), attempt: 2 }]);
    tail.learn({ seq: 1, attempt: 1 }, [page(2, 'old', 'old', 'old')]);
    expect([tail.epoch, tail.end]).toEqual([0, { seq: 2, attempt: 2 }]);

    tail.learn({ seq: 1, attempt: 3 }, [{ ...page(2, 'new'), attempt: 3 }]);
    expect([tail.epoch, tail.end]).toEqual([1, { seq: 2, attempt: 3 }]);
  });

  it('goes on from a place beyond what it knew', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a')]);
    tail.learn({ seq: 9, attempt: 1 }, [page(10, 'b')]);

    expect(tail.after({ seq: 0 }, 100)).toBeUndefined();
    expect(seqs(tail.after({ seq: 9, attempt: 1 }, 100))).toEqual([10]);
  });

  it('keeps back what is not to be shown yet', () => {
    const tail = new RunTail();
    tail.hiddenFrom = 2;
    tail.push([page(1, 'a'), page(2, 'done')]);
    expect(seqs(tail.after({ seq: 0 }, 100))).toEqual([1]);
    tail.hiddenFrom = Infinity;
    expect(seqs(tail.after({ seq: 0 }, 100))).toEqual([1, 2]);
  });

  it('speaks for the store while an attempt is written here that nobody has refused', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a')]);
    expect(tail.isCurrent).toBe(false);
    tail.own(2, { attempt: 1, seq: 1, type: 'token' });
    expect([tail.isCurrent, tail.endEvent]).toEqual([true, { attempt: 1, seq: 1, type: 'token' }]);
    tail.push([{ ...page(2, 'b'), attempt: 2 }]);
    expect([tail.isCurrent, tail.endEvent]).toEqual([true, { attempt: 2, seq: 2, type: 'token' }]);
    tail.push([{ ...page(3, 'c'), attempt: 3 }]);
    expect([tail.isCurrent, tail.isOwned]).toEqual([false, false]);
  });

  it('does not speak for a store that has lost the log', () => {
    const tail = new RunTail();
    tail.own(2, { attempt: 1, seq: 1, type: 'token' });
    tail.lost();
    expect([tail.isCurrent, tail.end, tail.epoch]).toEqual([false, undefined, 1]);
  });

  it('is the tail of another log when the owner has begun it anew', () => {
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b')]);
    tail.own(2, undefined);
    expect([tail.epoch, tail.end, tail.endEvent]).toEqual([1, { seq: 0, attempt: undefined }, undefined]);
  });

  it('keeps the latest pages, up to a size, and one in any case', () => {
    const tail = new RunTail();
    const kept = (seq: number) => tail.after({ seq: seq - 1 }, 1) !== undefined;
    for (let seq = 1; seq <= 500; seq += 1) tail.push([page(seq, 'x'.repeat(10_000))]);
    const seen = Array.from({ length: 500 }, (_, index) => index + 1).filter(kept);
    expect(seen.length * 10_000).toBeLessThan(1_100_000);
    expect(seen.length * 10_000).toBeGreaterThan(100_000);
    expect(seqs(tail.after({ seq: 500 - seen.length }, 10_000_000))).toEqual(seen);

    tail.push([page(501, 'x'.repeat(5_000_000))]);
    expect(seqs(tail.after({ seq: 500 }, 10))).toEqual([501]);
    expect(tail.after({ seq: 499 }, 10)).toBeUndefined();
  });

  it('gives every place its rest, whatever the pages', () => {
    const sizes = array(integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 30 });
    assert(
      property(sizes, integer({ min: 1, max: 50 }), (counts, first) => {
        const tail = new RunTail();
        let next = first;
        for (const count of counts) {
          const pushed = page(next, ...Array<string>(count).fill('x'));
          tail.push([pushed]);
          next = lastSeq(pushed) + 1;
        }
        for (let after = first === 1 ? 0 : first; after < next; after += 1) {
          const rest = Array.from({ length: next - 1 - after }, (_, index) => after + 1 + index);
          expect(seqs(tail.after({ seq: after }, 1_000))).toEqual(rest);
        }
      }),
    );
  });

  it('of many small pages is cut and read in little time', () => {
    const tail = new RunTail();
    const from = performance.now();
    for (let seq = 1; seq <= 200_000; seq += 1) {
      tail.push([page(seq, 'x'.repeat(20))]);
      tail.after({ seq: seq - 1 }, 65_536);
    }
    const micros = ((performance.now() - from) * 1_000) / 200_000;
    process.stdout.write(`tail of small pages: ${micros.toFixed(1)} µs an event\n`);
    expect(micros).toBeLessThan(100);
  });
});

describe('a tail that ends with done', () => {
  const done: LogPage = {
    runId: 'run_1',
    attempt: 1,
    firstSeq: 3,
    entries: [{ type: 'done', data: '{}' }],
  };

  afterEach(() => {
    jest.useRealTimers();
  });

  it('speaks for the store for two seconds after the store was seen to end there, whoever wrote it', () => {
    jest.useFakeTimers();
    const tail = new RunTail();
    tail.push([page(1, 'a', 'b')]);
    tail.confirm();
    expect(tail.isFinal).toBe(false);
    tail.push([done]);
    expect([tail.isFinal, tail.endEvent]).toEqual([true, { attempt: 1, seq: 3, type: 'done' }]);
    jest.advanceTimersByTime(2_000);
    expect(tail.isFinal).toBe(false);
    tail.confirm();
    expect(tail.isFinal).toBe(true);
    tail.lost();
    expect(tail.isFinal).toBe(false);
  });

  it('says what kind an event is, where it has it and it may be shown', () => {
    const tail = new RunTail();
    tail.push([page(2, 'b'), done]);
    const kinds = () => [1, 2, 3, 4].map((seq) => tail.typeAt(1, seq));
    expect(kinds()).toEqual([undefined, 'token', 'done', undefined]);
    expect(tail.typeAt(2, 3)).toBeUndefined();
    tail.hiddenFrom = 3;
    expect(kinds()).toEqual([undefined, 'token', undefined, undefined]);
    expect(tail.isFinal).toBe(false);
  });
});

describe('who waits at the tail', () => {
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is woken by what comes, all of them at once', async () => {
    const tail = new RunTail();
    const woken = Promise.all(
      Array.from({ length: 100 }, () => tail.changed(tail.version, new Waiter(never))),
    );
    tail.push([page(1, 'a')]);
    await woken;
  });

  it('does not wait for what has come since it looked', async () => {
    const tail = new RunTail();
    const { version } = tail;
    tail.ring();
    await tail.changed(version, new Waiter(never));
  });

  it('waits again for what comes next', async () => {
    const tail = new RunTail();
    let woken = 0;
    const waiter = new Waiter(never);
    const wait = () => tail.changed(tail.version, waiter).then(() => (woken += 1));
    const first = wait();
    tail.ring();
    const second = wait();
    await first;
    expect(woken).toBe(1);
    tail.ring();
    await second;
    expect(woken).toBe(2);
  });

  it('goes when it is told to, at once or later, and leaves no listener', async () => {
    const tail = new RunTail();
    const leave = new AbortController();
    const added: unknown[] = [];
    const { signal } = leave;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      added.push(args[1]);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      added.splice(added.indexOf(args[1]), 1);
      remove(...args);
    };
    const waiter = new Waiter(signal);
    for (let count = 0; count < 3; count += 1) {
      const waiting = tail.changed(tail.version, waiter);
      tail.ring();
      await waiting;
    }
    expect(added).toHaveLength(1);
    const waiting = tail.changed(tail.version, waiter);
    leave.abort();
    await waiting;
    await tail.changed(tail.version, waiter);
    waiter.stop();
    expect(added).toEqual([]);
  });

  it('looks again after a while, where others write, too', async () => {
    jest.useFakeTimers();
    const tail = new RunTail();
    const waiter = new Waiter(never);
    const waiting = tail.changed(tail.version, waiter, 250);
    jest.advanceTimersByTime(250);
    await waiting;
    const early = tail.changed(tail.version, waiter, 250);
    tail.ring();
    await early;
    expect(jest.getTimerCount()).toBe(0);
  });
});
