import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';
import { LimitRepository } from '../../limits/limit.repository.js';
import { Metrics } from '../../telemetry/metrics.js';
import type { LimitSettings } from '../../limits/limits.config.js';
import type { RunStart } from '../run-starter.service.js';
import { OpenRuns } from './open-runs.repository.js';

let now = 0;

class TimedOpenRuns extends OpenRuns {
  protected override now(): number {
    return now;
  }
}

const BOB = { ...ADA, userId: 'usr_bob' };
const idempotency = (key: string) => ({ key, fingerprint: 'print' });
const FOREIGN = { ...ADA, tenantId: 'other' };

onEachDatabase('the open runs', (open) => {
  let bench: RunBench;

  beforeEach(async () => {
    bench = new RunBench(await open());
  });
  afterEach(() => bench.database.close());

  /** A process that starts runs, with these limits. */
  const node = (settings: Partial<LimitSettings>, isSet = true) => {
    const config = {
      settings: { user: {}, key: {}, tenant: {}, ...settings },
      isSet,
    };
    const openRuns = new TimedOpenRuns(
      bench.database,
      new LimitRepository(bench.database),
      config,
      new Metrics(),
    );
    const starter = bench.newStarter(bench.newLeases(), bench.log, openRuns);
    return (start: Partial<RunStart> = {}) =>
      starter.create(
        {
          principal: ADA,
          sessionId: null,
          content: [{ type: 'text', text: 'hello' }],
          whenBusy: 'queue',
          onDisconnect: 'continue',
          idempotency: null,
          ...start,
        },
        () => 'scripted',
      );
  };
  const stored = async () =>
    (await bench.database.acrossTenants().selectFrom('runs').select('id').execute()).map(({ id }) => id);
  const TOO_MANY = { code: 'too_many_requests', retryAfter: 5 };

  it('of a user are bounded, those of others are not, nor are runs that are over', async () => {
    const start = node({ user: { runs: 2 } });
    await start();
    await start();
    await expect(start()).rejects.toMatchObject(TOO_MANY);
    await expect(start({ principal: BOB })).resolves.toHaveProperty('run');
    await expect(start({ principal: FOREIGN })).resolves.toHaveProperty('run');

    await bench.database.acrossTenants().updateTable('runs').set({ status: 'completed' }).execute();
    await expect(start()).resolves.toHaveProperty('run');
  });

  it('of a key and of a tenant are bounded too', async () => {
    const start = node({ key: { runs: 1 }, tenant: { runs: 3 } });
    await start({ keyId: 'key_1' });
    await expect(start({ keyId: 'key_1' })).rejects.toThrow('The key has 1 open runs');
    await start({ keyId: 'key_2' });
    await start({ principal: BOB });
    await expect(start({ principal: BOB })).rejects.toThrow('The tenant has 3 open runs');
    await expect(start({ principal: FOREIGN, keyId: 'key_1' })).resolves.toHaveProperty('run');
  });

  it('that were refused leave nothing behind; a start said again is answered, whatever the limit', async () => {
    const start = node({ user: { runs: 1 } });
    const first = await start({ idempotency: idempotency('a') });
    await expect(start({ idempotency: idempotency('b') })).rejects.toMatchObject(TOO_MANY);
    expect(await start({ idempotency: idempotency('a') })).toEqual({
      existing: 'run' in first && first.run.id,
    });

    expect(await stored()).toHaveLength(1);
    expect(await bench.database.acrossTenants().selectFrom('sessions').select('id').execute()).toHaveLength(
      1,
    );
    await bench.database.acrossTenants().updateTable('runs').set({ status: 'failed' }).execute();
    await expect(start({ idempotency: idempotency('b') })).resolves.toHaveProperty('run');
  });

  it('of sub-agents do not count', async () => {
    const start = node({ user: { runs: 2 } });
    await start();
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ parent_run_id: 'run_1', parent_call_id: 'toolu_1' })
      .execute();
    await start();
    await start();
    await expect(start()).rejects.toMatchObject(TOO_MANY);
  });

  it('that several processes start at once are exactly as many as allowed', async () => {
    const nodes = [0, 1, 2].map(() => node({ user: { runs: 7 }, tenant: { runs: 9 } }));
    const all = await Promise.allSettled(
      Array.from({ length: 45 }, (_, n) => nodes[n % 3]!({ principal: n % 5 ? ADA : BOB })),
    );
    const reasons = all.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));

    expect(reasons.filter((reason) => (reason as { code?: string }).code !== 'too_many_requests')).toEqual(
      [],
    );
    expect(await stored()).toHaveLength(9);
  });

  it('are counted each time, but not where a bound that nobody has set is far away', async () => {
    const [exact, rough] = [true, false].map((isSet) => node({ user: { runs: 200 } }, isSet));
    for (const start of [exact!, rough!]) await start();
    const first = (await stored())[0]!;
    const row = await bench.database
      .acrossTenants()
      .selectFrom('runs')
      .selectAll()
      .where('id', '=', first)
      .executeTakeFirstOrThrow();
    await bench.database
      .acrossTenants()
      .insertInto('runs')
      .values(Array.from({ length: 200 }, (_, n) => ({ ...row, id: `run_${n}`, session_id: `ses_${n}` })))
      .execute();

    await expect(exact!()).rejects.toMatchObject(TOO_MANY);
    now += 1_000;
    await expect(rough!()).resolves.toHaveProperty('run');
    now += 1;
    await expect(rough!()).rejects.toMatchObject(TOO_MANY);
  });
});
