import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { onEachDatabase } from '../../../test/support/databases.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';

const DAY_MS = 86_400_000;

onEachDatabase('an idempotency key', (open) => {
  let bench: RunBench;

  beforeEach(async () => {
    bench = new RunBench(await open());
  });
  afterEach(() => bench.database.close());

  const start = (changes: { key?: string; fingerprint?: string; user?: string; sessionId?: string } = {}) =>
    bench.starter.create(
      {
        principal: { ...ADA, userId: changes.user ?? ADA.userId },
        sessionId: changes.sessionId ?? null,
        content: [{ type: 'text', text: 'hello' }],
        whenBusy: 'queue',
        onDisconnect: 'continue',
        idempotency: { key: changes.key ?? 'key', fingerprint: changes.fingerprint ?? 'print' },
      },
      () => 'scripted',
    );

  const runIds = async () =>
    (await bench.database.acrossTenants().selectFrom('runs').select('id').execute()).map(({ id }) => id);

  /** The key was taken this long ago. */
  const age = (ms: number) =>
    bench.database
      .acrossTenants()
      .updateTable('idempotency_keys')
      .set({ created_at: sql`${bench.database.now} - cast(${ms} as bigint)` as never })
      .execute();

  it('said again with the same request finds the same run', async () => {
    const first = await start();
    const again = await start();

    expect(again).toEqual({ existing: 'run' in first && first.run.id });
    expect(await runIds()).toHaveLength(1);
  });

  it('names the run that it started, to its user alone', async () => {
    const first = await start();

    expect(await bench.starter.startedWith(ADA, 'key')).toBe('run' in first && first.run.id);
    expect(await bench.starter.startedWith(ADA, 'another')).toBeUndefined();
    expect(await bench.starter.startedWith({ ...ADA, userId: 'usr_other' }, 'key')).toBeUndefined();
  });

  it('said a hundred times at once starts one run', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => start()));

    const [id, ...others] = await runIds();
    expect(others).toEqual([]);
    expect(new Set(all.map((each) => ('run' in each ? each.run.id : each.existing)))).toEqual(new Set([id]));
    expect(all.filter((each) => 'run' in each)).toHaveLength(1);
  });

  it('said again with another request is refused, and starts nothing', async () => {
    await start();

    await expect(start({ fingerprint: 'other' })).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    expect(await runIds()).toHaveLength(1);
  });

  it('of one user is not that of another, nor is another key', async () => {
    const all = [
      await start(),
      await start({ user: 'usr_bob', fingerprint: 'other' }),
      await start({ key: 'key2' }),
    ];

    const ids = all.map((each) => 'run' in each && each.run.id);
    expect(await start()).toEqual({ existing: ids[0] });
    expect(await start({ user: 'usr_bob', fingerprint: 'other' })).toEqual({ existing: ids[1] });
    expect(await runIds()).toHaveLength(3);
  });

  it('holds for 24 hours', async () => {
    await start();
    await age(DAY_MS - 60_000);
    expect(await start()).toHaveProperty('existing');

    await age(DAY_MS + 1_000);
    expect(await start({ fingerprint: 'other' })).toHaveProperty('run');
    expect(await runIds()).toHaveLength(2);
  });

  it('of a start that was refused is free again', async () => {
    const sessionId = 'ses_00000000000000000000000000';
    await expect(start({ sessionId })).rejects.toMatchObject({ code: 'not_found' });

    expect(await start()).toHaveProperty('run');
    expect(await runIds()).toHaveLength(1);
  });
});
