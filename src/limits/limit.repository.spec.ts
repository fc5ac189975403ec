import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Database } from '../database/database.js';
import { LimitRepository } from './limit.repository.js';
import { RateWindows } from './rate-windows.js';
import { type SharedSlots, Slots } from './slots.js';

const MINUTE = 60_000;

/** Takes as many of five slots as there are. */
const count = async (slots: Slots) =>
  (await Promise.all(Array.from({ length: 9 }, () => slots.take('s', 5)))).filter(Boolean).length;

onEachDatabase('the counters that all nodes share', (open) => {
  let database: Database;
  let repository: LimitRepository;
  let now: number;

  beforeEach(async () => {
    database = await open();
    repository = new LimitRepository(database);
    now = 0;
  });
  afterEach(() => database.close());

  const clock = () => now;
  const ask = (changes: { limit?: number; need?: number; share?: number } = {}) =>
    repository.take({ scope: 'a', limit: 100, windowMs: MINUTE, need: 1, share: 5, ...changes });
  const holderOf = (id: string): SharedSlots => ({
    claim: (claim) => repository.claim(id, claim),
    keep: (scope, slots) => repository.keep(id, scope, slots),
  });

  it('grant a share while there is plenty, less near the end, and nothing beyond it', async () => {
    const granted: number[] = [];
    for (let n = 0; n < 32; n += 1) granted.push((await ask()).granted);

    expect(granted.slice(0, 16)).toEqual(Array.from({ length: 16 }, () => 5));
    expect(granted.slice(16)).toEqual([5, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    expect(await ask()).toMatchObject({ granted: 0, left: 0 });
  });

  it('grant what is needed as a whole, or nothing', async () => {
    expect(await ask({ need: 70 })).toMatchObject({ granted: 70, left: 30 });
    expect(await ask({ need: 31 })).toMatchObject({ granted: 0, left: 30 });
    expect(await ask({ need: 30 })).toMatchObject({ granted: 30, left: 0 });
  });

  it('say how long the window lasts, and begin anew when it is over', async () => {
    const first = await ask({ need: 100 });
    expect(first.endsInMs).toBeGreaterThan(MINUTE - 5_000);
    expect(first.endsInMs).toBeLessThanOrEqual(MINUTE);
    expect(await ask()).toMatchObject({ granted: 0 });

    await database.kysely.updateTable('limit_counters').set({ ends_at: 1 }).execute();
    expect(await ask()).toMatchObject({ granted: 5, left: 95 });
  });

  it('are never exceeded by nodes that take at the same time', async () => {
    const nodes = [0, 1, 2].map(() => new RateWindows(MINUTE, clock, repository));
    const all = await Promise.all(
      Array.from({ length: 3_000 }, async (_, n) => (await nodes[n % 3]!.take('a', 1_000, 1)).isAllowed),
    );
    const rest = await Promise.all(nodes.map(async (node) => node.take('a', 1_000, 1)));

    expect(all.filter(Boolean).length).toBeLessThanOrEqual(1_000);
    expect(all.filter(Boolean).length).toBeGreaterThan(900);
    expect(rest.map(({ isAllowed }) => isAllowed)).toEqual([false, false, false]);
  });

  it('are exact for a small limit', async () => {
    const nodes = [0, 1, 2].map(() => new RateWindows(MINUTE, clock, repository));
    const all = await Promise.all(
      Array.from({ length: 60 }, async (_, n) => (await nodes[n % 3]!.take('a', 13, 1)).isAllowed),
    );
    expect(all.filter(Boolean)).toHaveLength(13);
  });

  it('take back what was counted by mistake, and forget what counts no more', async () => {
    await ask({ need: 2, share: 1 });
    await repository.giveBack('a', 1);
    expect(await ask({ share: 1 })).toMatchObject({ left: 98 });
    await repository.forget('a');
    expect(await ask({ share: 1 })).toMatchObject({ left: 99 });
  });

  it('hold slots for who is alive, and for nobody else', async () => {
    await repository.beat('one');
    await repository.beat('other');
    const [one, other] = [new Slots(clock, holderOf('one')), new Slots(clock, holderOf('other'))];
    const both = await Promise.all([count(one), count(other)]);
    expect(both[0] + both[1]).toBe(5);

    await database.kysely
      .updateTable('limit_holders')
      .set({ expires_at: 1 })
      .where('id', '=', 'one')
      .execute();
    now = 1_000;
    expect(await count(other)).toBe(both[0]);
  });

  it('hold slots until they are given back, and nothing for who has left', async () => {
    for (const id of ['one', 'other']) await repository.beat(id);
    const claim = { scope: 's', limit: 5, held: 0, share: 9 };
    expect(await repository.claim('one', claim)).toBe(1);
    await repository.keep('one', 's', 5);
    expect(await repository.claim('other', claim)).toBe(0);
    await repository.keep('one', 's', 4);
    expect(await repository.claim('other', claim)).toBe(1);
    await repository.leave('one');
    expect(await repository.claim('other', { ...claim, held: 1 })).toBe(1);
  });

  it('are cleaned of what is long over', async () => {
    await ask();
    await repository.beat('one');
    await repository.keep('one', 's', 5);
    await repository.deleteEnded();
    const rows = async () => [
      (await database.kysely.selectFrom('limit_counters').selectAll().execute()).length,
      (await database.kysely.selectFrom('limit_slots').selectAll().execute()).length,
      (await database.kysely.selectFrom('limit_holders').selectAll().execute()).length,
    ];
    expect(await rows()).toEqual([1, 1, 1]);

    await database.kysely.updateTable('limit_counters').set({ ends_at: 1 }).execute();
    await database.kysely.updateTable('limit_holders').set({ expires_at: 1 }).execute();
    await repository.deleteEnded();
    expect(await rows()).toEqual([0, 0, 0]);
  });
});
