import { describe, expect, it } from '@jest/globals';
import type { LogPage } from '../event-log.js';
import { GroupCommit } from './group-commit.js';

const page = (runId: string, firstSeq: number, attempt = 1, text = 'x'): LogPage => ({
  runId,
  attempt,
  firstSeq,
  entries: [{ type: 'token', data: JSON.stringify({ text }) }],
});

const places = (pages: readonly LogPage[]): string[] =>
  pages.map(({ runId, attempt, firstSeq, entries }) => `${runId}.${attempt}.${firstSeq}+${entries.length}`);

/** A store whose commits end when the test says so. */
class Store {
  readonly commits: string[][] = [];
  readonly published: string[][] = [];
  readonly group = new GroupCommit(
    (pages) => this.insert(pages),
    (pages) => this.published.push(places(pages)),
  );
  private waiting: { pages: readonly LogPage[]; settle: PromiseWithResolvers<Set<string>> }[] = [];
  private arrived = Promise.withResolvers<void>();

  private insert(pages: readonly LogPage[]): Promise<Set<string>> {
    const settle = Promise.withResolvers<Set<string>>();
    this.commits.push(places(pages));
    this.waiting.push({ pages, settle });
    this.arrived.resolve();
    return settle.promise;
  }

  /** Ends the oldest commit, as soon as there is one. */
  async end(outcome: 'accept' | Error | ((place: string) => boolean)): Promise<void> {
    while (this.waiting.length === 0) {
      await this.arrived.promise;
      this.arrived = Promise.withResolvers();
    }
    const { pages, settle } = this.waiting.shift()!;
    if (outcome instanceof Error) settle.reject(outcome);
    else {
      const keys = pages.map(({ runId, attempt }) => `${runId}.${attempt}`);
      settle.resolve(new Set(keys.filter((key) => outcome === 'accept' || outcome(key))));
    }
  }
}

describe('a group commit', () => {
  it('writes what comes in one turn of the event loop, of all runs, as one commit', async () => {
    const store = new Store();
    const all = [
      store.group.add(page('a', 1), true),
      store.group.add(page('b', 1), true),
      store.group.add(page('a', 2), true),
    ];
    await store.end('accept');
    await Promise.all(all);

    expect(store.commits).toEqual([['a.1.1+2', 'b.1.1+1']]);
    expect(store.published).toEqual([['a.1.1+2'], ['b.1.1+1']]);
  });

  it('collects what comes during a commit for the next one', async () => {
    const store = new Store();
    const first = store.group.add(page('a', 1), true);
    const ended = store.end('accept').then(async () => {
      await first;
      return store.end('accept');
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
    await store.end('accept');
    await hidden;

    expect(store.published).toEqual([]);
  });

  it('refuses one run and accepts the other', async () => {
    const store = new Store();
    const refused = store.group.add(page('a', 1), true);
    const accepted = store.group.add(page('b', 1), true);
    await store.end((key) => key === 'b.1');

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
    await store.end('accept');
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
    await store.end('accept');
    await second;
    store.group.forget('a', 1);
    const again = store.group.add(page('a', 2, 1), true);
    await store.end('accept');
    await again;

    expect(store.commits).toEqual([['a.1.1+1'], ['a.2.1+1'], ['a.1.2+1']]);
  });

  it('begins a new page when one is full, and keeps the pages of one call in one commit', async () => {
    const store = new Store();
    const entries = Array.from({ length: 70 }, () => ({ type: 'token' as const, data: 'x'.repeat(32_768) }));
    const long = store.group.add({ runId: 'a', attempt: 1, firstSeq: 1, entries }, true);
    const short = store.group.add(page('b', 1), true);
    await store.end('accept');
    await long;
    await store.end('accept');
    await short;

    expect(store.commits.map((commit) => commit.length)).toEqual([70, 1]);
    expect(store.commits[0]?.slice(0, 2)).toEqual(['a.1.1+1', 'a.1.2+1']);
  });
});
