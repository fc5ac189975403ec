import { describe, expect, it } from '@jest/globals';
import type { LogPage } from '../event-log.js';
import type { PageOutcome } from '../log-store.js';
import { AppError } from '../../errors/app-error.js';
import { LogLost } from '../log-lost.js';
import { GroupCommit } from './group-commit.js';

const page = (runId: string, firstSeq: number, attempt = 1, text = 'x'): LogPage => ({
  runId,
  attempt,
  firstSeq,
  entries: [{ type: 'token', data: JSON.stringify({ text }) }],
});

const places = (pages: readonly LogPage[]): string[] =>
  pages.map(({ runId, attempt, firstSeq, entries }) => `${runId}.${attempt}.${firstSeq}+${entries.length}`);

type Outcomes = Map<string, PageOutcome>;

/** A store whose commits end when the test says so. Time passes only in the waits between tries. */
class Store {
  readonly commits: string[][] = [];
  readonly published: string[][] = [];
  readonly waits: number[] = [];
  now = 0;
  readonly group = new GroupCommit({
    insert: (pages) => this.insert(pages),
    publish: (pages) => this.published.push(places(pages)),
    holdMs: 10_000,
    clock: () => this.now,
    delay: async (milliseconds) => {
      this.waits.push(milliseconds);
      this.now += milliseconds;
    },
  });
  private waiting: { pages: readonly LogPage[]; settle: PromiseWithResolvers<Outcomes> }[] = [];
  private arrived = Promise.withResolvers<void>();

  private insert(pages: readonly LogPage[]): Promise<Outcomes> {
    const settle = Promise.withResolvers<Outcomes>();
    this.commits.push(places(pages));
    this.waiting.push({ pages, settle });
    this.arrived.resolve();
    return settle.promise;
  }

  /** Ends the oldest commit, as soon as there is one. */
  async end(outcome: PageOutcome | Error | ((place: string) => PageOutcome)): Promise<void> {
    while (this.waiting.length === 0) {
      await this.arrived.promise;
      this.arrived = Promise.withResolvers();
    }
    const { pages, settle } = this.waiting.shift()!;
    if (outcome instanceof Error) settle.reject(outcome);
    else {
      const keys = pages.map(({ runId, attempt }) => `${runId}.${attempt}`);
      settle.resolve(new Map(keys.map((key) => [key, typeof outcome === 'string' ? outcome : outcome(key)])));
    }
  }
}

const away = () => new AppError('unavailable', 'away');

describe('a group commit', () => {
  it('writes what comes in one turn of the event loop, of all runs, as one commit', async () => {
    const store = new Store();
    const all = [
      store.group.add(page('a', 1), true),
      store.group.add(page('b', 1), true),
      store.group.add(page('a', 2), true),
    ];
    await store.end('accepted');
    await Promise.all(all);

    expect(store.commits).toEqual([['a.1.1+2', 'b.1.1+1']]);
    expect(store.published).toEqual([['a.1.1+2'], ['b.1.1+1']]);
  });

  it('collects what comes during a commit for the next one', async () => {
    const store = new Store();
    const first = store.group.add(page('a', 1), true);
    const ended = store.end('accepted').then(async () => {
      await first;
      return store.end('accepted');
    });
    await new Promise(setImmediate);
    const rest = [store.group.add(page('a', 2), true), store.group.add(page('a', 3), true)];
    await ended;
    await Promise.all(rest);

    expect(store.commits).toEqual([['a.1.1+1'], ['a.1.2+2']]);
  });

  it('publishes nothing of a page that is not to be shown yet', async () => {
    const store = new Store();
    const hidden = store.group.add(page('a', 1), false);
    await store.end('accepted');
    await hidden;

    expect(store.published).toEqual([]);
  });

  it('refuses one run and accepts the other', async () => {
    const store = new Store();
    const refused = store.group.add(page('a', 1), true);
    const accepted = store.group.add(page('b', 1), true);
    await store.end((key) => (key === 'b.1' ? 'accepted' : 'fenced'));

    await expect(refused).rejects.toMatchObject({ code: 'fenced' });
    await accepted;
    expect(store.published).toEqual([['b.1.1+1']]);
  });

  it('leaves no hole: what follows a failed commit is refused with the same error, and never written', async () => {
    const store = new Store();
    const lost = new Error('connection lost');
    const first = store.group.add(page('a', 1), true);
    const failing = store.end(lost);
    await new Promise(setImmediate);
    const during = store.group.add(page('a', 2), true);
    const other = store.group.add(page('b', 1), true);
    await failing;

    await expect(first).rejects.toBe(lost);
    const after = store.group.add(page('a', 3), true);
    await store.end('accepted');
    await other;
    await expect(during).rejects.toBe(lost);
    await expect(after).rejects.toBe(lost);
    expect(store.commits).toEqual([['a.1.1+1'], ['b.1.1+1']]);
  });

  it('takes the next attempt of a run after a failed commit, and the same one again once it was let go', async () => {
    const store = new Store();
    const first = store.group.add(page('a', 1), true);
    await store.end(new Error('connection lost'));
    await expect(first).rejects.toThrow('connection lost');

    const second = store.group.add(page('a', 1, 2), true);
    await store.end('accepted');
    await second;
    store.group.forget('a', 1);
    const again = store.group.add(page('a', 2, 1), true);
    await store.end('accepted');
    await again;

    expect(store.commits).toEqual([['a.1.1+1'], ['a.2.1+1'], ['a.1.2+1']]);
  });

  it('begins a new page when one is full, and keeps the pages of one call in one commit', async () => {
    const store = new Store();
    const entries = Array.from({ length: 70 }, () => ({ type: 'token' as const, data: 'x'.repeat(32_768) }));
    const long = store.group.add({ runId: 'a', attempt: 1, firstSeq: 1, entries }, true);
    const short = store.group.add(page('b', 1), true);
    await store.end('accepted');
    await long;
    await store.end('accepted');
    await short;

    expect(store.commits.map((commit) => commit.length)).toEqual([70, 1]);
    expect(store.commits[0]?.slice(0, 2)).toEqual(['a.1.1+1', 'a.1.2+1']);
  });

  it('tries again while the store is away, with the same pages, and then goes on', async () => {
    const store = new Store();
    const first = store.group.add(page('a', 1), true);
    for (let count = 0; count < 8; count += 1) await store.end(away());
    const second = store.group.add(page('a', 2), true);
    await store.end('accepted');
    await first;
    await store.end('accepted');
    await second;

    expect(store.commits).toEqual([...Array.from({ length: 9 }, () => ['a.1.1+1']), ['a.1.2+1']]);
    expect(store.published).toEqual([['a.1.1+1'], ['a.1.2+1']]);
    expect(store.waits).toHaveLength(8);
    expect(Math.min(...store.waits)).toBeGreaterThanOrEqual(25);
    expect(Math.max(...store.waits)).toBeLessThanOrEqual(1_000);
  });

  it('gives up with the error of the store when it was away for too long', async () => {
    const store = new Store();
    const last = away();
    const ended: unknown[] = [];
    const first = store.group.add(page('a', 1), true).finally(() => ended.push('first'));
    first.catch(() => undefined);
    while (ended.length === 0) {
      await store.end(last);
      for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
    }

    await expect(first).rejects.toBe(last);
    const waited = store.waits.reduce((sum, each) => sum + each, 0);
    expect(waited).toBeGreaterThanOrEqual(10_000);
    expect(waited).toBeLessThan(11_000);
  });

  it('is as patient as ever the next time that the store is away', async () => {
    const store = new Store();
    const first = store.group.add(page('a', 1), true);
    while (store.commits.length === 0) await new Promise(setImmediate);
    store.now = 11_000;
    await store.end(away());
    await expect(first).rejects.toMatchObject({ code: 'unavailable' });
    store.now = 60_000;
    const second = store.group.add(page('b', 1), true);
    await store.end(away());
    await store.end('accepted');
    await second;

    expect(store.published).toEqual([['b.1.1+1']]);
  });

  it('fails only the run whose page cannot be written, and writes the others', async () => {
    const store = new Store();
    const poison = new Error('invalid byte sequence');
    const [bad, good] = [store.group.add(page('a', 1), true), store.group.add(page('b', 1), true)];
    await store.end(poison);
    await store.end(poison);
    await store.end('accepted');

    await expect(bad).rejects.toBe(poison);
    await good;
    expect(store.commits).toEqual([['a.1.1+1', 'b.1.1+1'], ['a.1.1+1'], ['b.1.1+1']]);
    expect(store.published).toEqual([['b.1.1+1']]);
  });

  it('tells a writer at once that there is no space, and one whose log was lost that it was', async () => {
    const store = new Store();
    const full = new AppError('storage_full', 'full');
    const first = store.group.add(page('a', 1), true);
    await store.end(full);
    const second = store.group.add(page('run_b', 1), true);
    await store.end('lost');

    await expect(first).rejects.toBe(full);
    await expect(second).rejects.toEqual(new LogLost('run_b'));
    expect(store.waits).toEqual([]);
  });
});
