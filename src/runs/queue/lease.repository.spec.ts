import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import { LEASE_MS, RunBench } from '../../../test/support/runs/run-bench.js';
import type { LeaseRepository } from './lease.repository.js';
import type { Run } from '../run.js';

const ROUNDS = 100;

onEachDatabase('leases', (open) => {
  let bench: RunBench;
  let ada: LeaseRepository;
  let bob: LeaseRepository;

  beforeEach(async () => {
    bench = new RunBench(await open());
    ada = bench.leases;
    bob = bench.newLeases();
  });
  afterEach(() => bench.database.close());

  /** A run that waits for whoever comes first. */
  async function offered(sessionId: string | null = null): Promise<Run> {
    const run = await bench.queue({ sessionId });
    await ada.offerOwn(run.id);
    return run;
  }

  const row = (id: string) =>
    bench.database
      .acrossTenants()
      .selectFrom('runs')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow();

  const end = (run: Run) =>
    bench.runs.settle(run, {
      status: 'completed',
      stopReason: 'end_turn',
      errorCode: null,
      usage: run.usage,
      cost: run.cost,
      lastEventId: `${run.id}.${run.attempt}.1`,
    });

  it('of several claimers of one run exactly one wins, every time', async () => {
    const claimers = Array.from({ length: 8 }, () => bench.newLeases());
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id } = await offered();

      const claims = await Promise.all(claimers.map((claimer) => claimer.claimNext()));

      const won = claims.flatMap((claim, index) => (claim === undefined ? [] : [{ claim, index }]));
      expect(won.map(({ claim }) => [claim.id, claim.attempt, claim.status])).toEqual([[id, 1, 'running']]);
      expect((await row(id)).owner).toBe(claimers[won[0]!.index]!.holder);
      await end(won[0]!.claim);
    }
  });

  it('of several that take a dead run over exactly one wins, whether to go on or to end it', async () => {
    const claimers = Array.from({ length: 8 }, () => bench.newLeases());
    let { id } = await bench.begin();
    for (let round = 0; round < ROUNDS; round += 1) {
      await bench.expire(id);

      const claims = await Promise.all(
        claimers.map((claimer, index) => (index % 2 === 0 ? claimer.claimToEnd(id) : claimer.claimNext())),
      );

      const won = claims.filter((claim) => claim !== undefined);
      expect(won.map(({ attempt }) => attempt)).toEqual([round + 2]);
    }
  });

  it('of those who claim several runs at once each gets another', async () => {
    const runs = await Promise.all(Array.from({ length: 8 }, () => offered()));

    const claims = await Promise.all(runs.map(() => bench.newLeases().claimNext()));
    const rest: (Run | undefined)[] = [];
    for (let n = 0; n < 8; n += 1) rest.push(await bob.claimNext());

    const ids = [...claims, ...rest].flatMap((claim) => (claim === undefined ? [] : [claim.id]));
    expect(ids.toSorted()).toEqual(runs.map(({ id }) => id).toSorted());
  });

  it('go to the oldest run first', async () => {
    const first = await offered();
    const second = await offered();

    expect((await bob.claimNext())?.id).toBe(first.id);
    expect((await bob.claimNext())?.id).toBe(second.id);
    expect(await bob.claimNext()).toBeUndefined();
  });

  it('a run behind another of its session is not given out before that one is over', async () => {
    const session = await bench.newSession();
    const first = await offered(session);
    const second = await offered(session);
    const third = await offered(session);

    const claimed = await bob.claimNext();
    expect(claimed?.id).toBe(first.id);
    expect(await bob.claimNext()).toBeUndefined();
    await end(claimed!);
    const next = await bob.claimNext();
    expect(next?.id).toBe(second.id);
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ status: 'waiting' })
      .where('id', '=', second.id)
      .execute();
    expect(await bob.claimNext()).toBeUndefined();
    await end(next!);
    expect((await bob.claimNext())?.id).toBe(third.id);
  });

  it('a run behind one that its maker has not begun yet is not given out either', async () => {
    const session = await bench.newSession();
    const first = await bench.queue({ sessionId: session });
    const second = await offered(session);

    expect(await bob.claimNext()).toBeUndefined();
    expect((await ada.beginOwn(first.id))?.id).toBe(first.id);
    await end(first);
    expect((await bob.claimNext())?.id).toBe(second.id);
  });

  it('a process can ask whether any is left, also behind another of its session', async () => {
    expect(await bob.hasQueued()).toBe(false);
    const first = await offered();
    await offered(first.sessionId);
    const claimed = await bob.claimNext();
    expect(await bob.claimNext()).toBeUndefined();
    expect(await bob.hasQueued()).toBe(true);
    await end(claimed!);
    const second = await bob.claimNext();
    expect(await bob.hasQueued()).toBe(false);
    await bob.release(second!);
    expect(await bob.hasQueued()).toBe(true);
  });

  it('a session never has two active runs, however many claim', async () => {
    const session = await bench.newSession();
    const runs: Run[] = [];
    for (let n = 0; n < 20; n += 1) runs.push(await offered(session));
    const order: string[] = [];
    while (order.length < runs.length) {
      const claims = await Promise.all(Array.from({ length: 4 }, () => bench.newLeases().claimNext()));
      const won = claims.filter((claim) => claim !== undefined);
      expect(won).toHaveLength(1);
      order.push(won[0]!.id);
      await end(won[0]!);
    }
    expect(order).toEqual(runs.map(({ id }) => id));
    const second = bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ status: 'running' })
      .where('session_id', '=', session)
      .execute();
    await expect(second).rejects.toThrow(/unique|constraint/i);
  });

  it('a new run is begun by the process that made it, in its first attempt', async () => {
    const { id } = await bench.queue();

    expect(await bob.beginOwn(id)).toBeUndefined();
    expect(await ada.beginOwn(id)).toMatchObject({ id, attempt: 1, status: 'running' });
    expect(await ada.beginOwn(id)).toBeUndefined();
  });

  it('a new run is nobody else’s before its maker offers it or dies', async () => {
    const { id } = await bench.queue();
    expect(await bob.claimNext()).toBeUndefined();

    await bench.expire(id);

    expect(await bob.claimNext()).toMatchObject({ id, attempt: 2 });
    expect(await ada.beginOwn(id)).toBeUndefined();
  });

  it('a run behind another cannot be begun by its maker either', async () => {
    const session = await bench.newSession();
    const first = await bench.begin({ sessionId: session });
    const second = await bench.queue({ sessionId: session });

    expect(await ada.beginOwn(second.id)).toBeUndefined();
    await end(first);
    expect(await ada.beginOwn(second.id)).toMatchObject({ id: second.id, number: 2 });
  });

  it('the attempt rises only when there was an owner before', async () => {
    const { id } = await offered();
    expect(await bob.claimNext()).toMatchObject({ id, attempt: 1 });
    expect(await bob.claimNext()).toBeUndefined();
    await bench.expire(id);
    expect(await bob.claimNext()).toMatchObject({ id, attempt: 2 });
    await bench.expire(id);
    expect(await ada.claimToEnd(id)).toMatchObject({ id, attempt: 3 });
  });

  it('the time of a run counts from its first attempt', async () => {
    const { id } = await offered();
    const first = await bob.claimNext();
    await bench.expire(id);
    const second = await bob.claimNext();

    expect(first?.startedAt).not.toBeNull();
    expect(second?.startedAt).toBe(first?.startedAt);
    expect(second!.leaseUntil! - second!.startedAt!).toBeGreaterThanOrEqual(LEASE_MS);
  });

  it('a run is taken to be ended in whatever status it is, but not from its living owner and not when it is over', async () => {
    const session = await bench.newSession();
    const first = await bench.begin({ sessionId: session });
    const second = await offered(session);

    expect(await bob.claimToEnd(first.id)).toBeUndefined();
    expect(await bob.claimToEnd(second.id)).toMatchObject({ id: second.id, status: 'queued', attempt: 1 });
    await end(first);
    expect(await bob.claimToEnd(first.id)).toBeUndefined();
  });

  it('tell of a run that shall end without viewers when nobody watches it, and begin anew with each owner', async () => {
    const watched = await bench.begin({ onDisconnect: 'cancel' });
    const other = await bench.begin();
    const leave = () =>
      bench.database
        .acrossTenants()
        .updateTable('runs')
        .set({ watched_until: 1 })
        .where('id', '=', watched.id)
        .execute();
    const ending = async (by: LeaseRepository) =>
      (await by.renew([watched.id, other.id])).filter((lease) => lease.cancelRequested).map(({ id }) => id);

    expect(await ending(ada)).toEqual([]);
    await leave();
    expect(await ending(ada)).toEqual([watched.id]);
    await bench.runs.noteWatched([watched.id]);
    expect(await ending(ada)).toEqual([]);

    await leave();
    await bench.expire(watched.id);
    await bob.claimNext();
    expect(await ending(bob)).toEqual([]);
  });

  it('are renewed for their holder only, and tell of a cancel', async () => {
    const run = await bench.begin();
    const other = await bench.begin();
    const left = await bench.begin();
    await end(left);
    await bench.runs.requestCancel(other);
    await bench.expire(run.id);

    expect(await bob.renew([run.id, other.id])).toEqual([]);
    expect(await ada.renew([])).toEqual([]);
    const renewed = await ada.renew([run.id, other.id, left.id]);

    expect(renewed.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: run.id, cancelRequested: false },
      { id: other.id, cancelRequested: true },
    ]);
    expect(await bob.claimNext()).toBeUndefined();
  });

  it('that were given back are taken by the next who comes, at once', async () => {
    const run = await bench.begin();
    await bob.release(run);
    expect(await bob.claimNext()).toBeUndefined();

    await ada.release(run);

    expect(await bob.claimNext()).toMatchObject({ id: run.id, attempt: 2 });
    await ada.release(run);
    expect(await ada.claimNext()).toBeUndefined();
  });

  it('of the dead are free at start where no other process can be at work', async () => {
    const running = await bench.begin();
    const queued = await bench.queue();
    await bob.releaseDead();

    const claims = [await bob.claimNext(), await bob.claimNext()];

    const expected = bench.database.exclusive ? [running.id, queued.id] : [undefined, undefined];
    expect(claims.map((claim) => claim?.id)).toEqual(expected);
  });

  it('of a process itself are not those of the dead', async () => {
    await bench.begin();
    await ada.releaseDead();

    expect(await bob.claimNext()).toBeUndefined();
  });
});
