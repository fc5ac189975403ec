import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import { until } from '../../test/support/until.js';
import {
  budgetRows,
  closeShared,
  insertRun,
  metersOn,
  openShared,
  outcomeOf,
  planOf,
  REFUSED,
  takeOver,
} from '../../test/support/usage-bench.js';
import type { Database } from '../database/database.js';
import { newId } from '../database/ids.js';
import { budgetsOf } from './budget.js';
import { BudgetRepository } from './budget.repository.js';
import type { SettledCall } from './budgeted-run.js';
import { NO_COST } from './cost.js';
import { ModelCallRepository } from './model-call.repository.js';
import { NO_USAGE } from './usage-sum.js';

const { signal } = new AbortController();
const BEFORE_MIDNIGHT = Date.parse('2026-11-25T23:59:59.999Z');

onEachDatabase('the meter of a run', (open) => {
  let databases: Database[];
  let database: Database;

  beforeEach(async () => {
    databases = await openShared(open, 3);
    database = databases[0]!;
  });
  afterEach(() => closeShared(databases));

  const callRows = () =>
    database.acrossTenants().selectFrom('model_calls').selectAll().orderBy('id').execute();

  it('sets the worst case aside before a call, and books what it used after it', async () => {
    const run = await insertRun(database);
    const meter = metersOn(database, { run: { usd: 1 }, user: { tokens: 10_000 } }).open(run);

    const call = await meter.reserve(planOf(1_000, 2_000), signal);
    expect(call.maxTokens).toBe(2_000);
    expect(await callRows()).toMatchObject([{ state: 'reserved', reserved_tokens: 3_000, attempt: 1 }]);
    expect(await budgetRows(database, 'run')).toMatchObject([{ microUsd: [0, 44_000], tokens: [0, 3_000] }]);

    await call.settle(outcomeOf(900, 100));
    expect(await callRows()).toMatchObject([
      {
        state: 'spent',
        input_tokens: 900,
        output_tokens: 100,
        cost_micro_usd: 5_600,
        estimated: 0,
        request_id: 'req_1',
        message_id: 'msg_1',
        run_id: run.id,
        root_run_id: run.id,
        user_id: 'ada',
        tenant_id: 'acme',
        kind: 'turn',
        model: 'claude-test',
      },
    ]);
    const booked = [{ microUsd: [5_600, 0], tokens: [1_000, 0], calls: 1 }];
    expect(await budgetRows(database, 'run')).toMatchObject(booked);
    expect(await budgetRows(database, 'user')).toMatchObject(booked);
    expect(await budgetRows(database, 'tenant')).toEqual([]);
  });

  it('books a call once, however often and from wherever that is said', async () => {
    const told: SettledCall[] = [];
    const meters = metersOn(database, { run: { usd: 1 } });
    meters.onSettled((call) => told.push(call));
    const call = await meters.open(await insertRun(database)).reserve(planOf(1_000, 2_000), signal);

    await Promise.all([call.settle(outcomeOf(900, 100)), call.settle(outcomeOf(900, 100))]);
    await call.settle(REFUSED);

    expect(await budgetRows(database, 'run')).toMatchObject([{ microUsd: [5_600, 0], calls: 1 }]);
    expect(told).toMatchObject([{ kind: 'turn', model: 'claude-test', costMicroUsd: 5_600 }]);
  });

  it('takes nothing for a call that was refused, and leaves a trace of it', async () => {
    const meter = metersOn(database, { run: { turns: 1 } }).open(await insertRun(database));

    for (let n = 0; n < 3; n += 1) await (await meter.reserve(planOf(10, 10), signal)).settle(REFUSED);

    expect((await callRows()).map(({ state }) => state)).toEqual(['refused', 'refused', 'refused']);
    expect(await budgetRows(database, 'run')).toMatchObject([{ tokens: [0, 0], calls: 0 }]);
  });

  it('tells the truth about a call that used more than was set aside, beyond the limit too', async () => {
    const meter = metersOn(database, { run: { tokens: 5_000 } }).open(await insertRun(database));
    await (await meter.reserve(planOf(1_000, 2_000), signal)).settle(outcomeOf(6_000, 2_000));

    expect(await budgetRows(database, 'run')).toMatchObject([{ tokens: [8_000, 0] }]);
    await expect(meter.reserve(planOf(1, 1), signal)).rejects.toMatchObject({
      code: 'budget_exceeded',
      message: 'The budget of the run has no room for the next model call: limit 5000 tokens, spent 8000.',
    });
  });

  it('allows a shorter answer where a budget has no room for the whole, down to 1,024 tokens', async () => {
    const meter = metersOn(database, { session: { usd: 0.05 } }).open(await insertRun(database));

    const call = await meter.reserve(planOf(1_000, 16_000), signal);
    expect(call.maxTokens).toBe(2_300);
    await call.settle(outcomeOf(1_000, 1_100));

    await expect(meter.reserve(planOf(1_000, 16_000), signal)).rejects.toMatchObject({
      code: 'budget_exceeded',
      message: 'The budget of the session has no room for the next model call: limit 0.05 USD, spent 0.026.',
    });
    // A call that needs less than that is still made.
    await expect(meter.reserve(planOf(1_000, 500), signal)).resolves.toMatchObject({ maxTokens: 500 });
  });

  it('holds no USD budget for a model without a price, and says so', async () => {
    const run = await insertRun(database);
    const plan = planOf(1_000, 1_000, { price: () => null });

    await expect(
      metersOn(database, { tenant: { usd: 5 } })
        .open(run)
        .reserve(plan, signal),
    ).rejects.toThrow(
      'The price of claude-test is not known, so that the USD budget of the tenant cannot be held',
    );
    const call = await metersOn(database, { tenant: { tokens: 5_000 } })
      .open(run)
      .reserve(plan, signal);
    await call.settle({ ...outcomeOf(10, 10), costMicroUsd: null });
    expect(await callRows()).toMatchObject([{ cost_micro_usd: null, state: 'spent' }]);
  });

  it('counts model calls, their time, and tool calls', async () => {
    const limits = { turns: 2, tool_calls: 3, seconds: 60 };
    const meter = metersOn(database, { run: limits }).open(await insertRun(database));
    await (await meter.reserve(planOf(1, 1), signal)).settle(outcomeOf(1, 1));
    await meter.countToolCalls(2);
    await expect(meter.countToolCalls(2)).rejects.toMatchObject({
      code: 'budget_exceeded',
      message: 'The budget of the run has no room for 2 more tool calls: limit 3 tool calls, spent 2.',
    });
    await meter.countToolCalls(1);
    expect(await budgetRows(database, 'run')).toMatchObject([{ calls: 1, toolCalls: 3 }]);

    await database.kysely.updateTable('budgets').set({ busy_ms: 60_000 }).execute();
    await expect(meter.reserve(planOf(1, 1), signal)).rejects.toThrow(
      'limit 60 seconds of model calls, spent 60.',
    );
    await database.kysely.updateTable('budgets').set({ busy_ms: 59_999 }).execute();
    await (await meter.reserve(planOf(1, 1), signal)).settle(outcomeOf(1, 1));
    await expect(meter.reserve(planOf(1, 1), signal)).rejects.toThrow('limit 2 model calls, spent 2.');
  });

  it('refuses more tool calls at once than a whole budget has', async () => {
    const meter = metersOn(database, { run: { tool_calls: 3 } }).open(await insertRun(database));

    await expect(meter.countToolCalls(4)).rejects.toThrow('limit 3 tool calls, spent 0.');
    expect(await budgetRows(database, 'run')).toEqual([]);
  });

  it('counts sub-agents for the run and the session of the person, and holds each to its own profile', async () => {
    const meters = metersOn(database, { run: { tokens: 10_000 }, session: { tokens: 10_000 } });
    const root = await insertRun(database);
    const child = await insertRun(database, { rootRunId: root.id, limits: { tokens: 2_000, modelCalls: 1 } });
    await (await meters.open(root).reserve(planOf(100, 900), signal)).settle(outcomeOf(100, 900));
    const meter = meters.open(child);
    await (await meter.reserve(planOf(100, 900), signal)).settle(outcomeOf(100, 900));

    expect(await budgetRows(database, 'run')).toMatchObject([{ tokens: [2_000, 0], calls: 2 }]);
    expect(await budgetRows(database, 'session')).toMatchObject([{ tokens: [2_000, 0] }]);
    expect(await budgetRows(database, 'agent_run')).toMatchObject([{ tokens: [1_000, 0], calls: 1 }]);
    await expect(meter.reserve(planOf(1, 1), signal)).rejects.toThrow(
      "The budget of the agent's run has no room for the next model call: limit 1 model calls, spent 1.",
    );
  });

  it('begins a new day at midnight UTC, and keeps users and tenants apart', async () => {
    let now = BEFORE_MIDNIGHT;
    const settings = { user: { tokens: 1_000 }, tenant: { tokens: 1_500 } };
    const meters = metersOn(database, settings);
    const on = { now: () => now };
    const meter = meters.open(await insertRun(database), on);
    const call = await meter.reserve(planOf(100, 900), signal);
    await expect(meter.reserve(planOf(1, 1), AbortSignal.abort(new Error('left')))).rejects.toThrow('left');

    // The same tenant has room for somebody else, and another tenant for a user of the same name.
    const bob = meters.open(await insertRun(database, { userId: 'bob' }), on);
    await expect(bob.reserve(planOf(100, 400), signal)).resolves.toMatchObject({ maxTokens: 400 });
    const other = meters.open(await insertRun(database, { tenantId: 'other' }), on);
    await expect(other.reserve(planOf(100, 900), signal)).resolves.toMatchObject({ maxTokens: 900 });

    now += 1;
    const tomorrow = await meter.reserve(planOf(100, 900), signal);
    // A call counts for the day on which it began.
    await call.settle(outcomeOf(100, 200));
    await tomorrow.settle(outcomeOf(100, 300));
    const days = (await budgetRows(database, 'user')).filter(({ tokens }) => tokens[1] === 0);
    expect(days).toMatchObject([
      { period: '2026-11-25', tokens: [300, 0] },
      { period: '2026-11-26', tokens: [400, 0] },
    ]);
    await expect(meter.reserve(planOf(601, 0), signal)).rejects.toThrow(
      'The budget of the user for 2026-11-26 (UTC) has no room',
    );
  });

  it('refuses a call of an attempt that has lost its run, and books one that was made', async () => {
    const run = await insertRun(database);
    const meters = metersOn(database, { run: { tokens: 10_000 } });
    const call = await meters.open(run).reserve(planOf(100, 900), signal);
    await takeOver(database, run);

    await expect(meters.open(run).reserve(planOf(1, 1), signal)).rejects.toMatchObject({ code: 'fenced' });
    await call.settle(outcomeOf(100, 200));
    expect(await budgetRows(database, 'run')).toMatchObject([{ tokens: [300, 0], calls: 1 }]);
  });

  it('books the worst case of what dead attempts left, and the truth should it come after all', async () => {
    const told: SettledCall[] = [];
    const meters = metersOn(database, { run: { tokens: 10_000, usd: 1 } });
    meters.onSettled((call) => told.push(call));
    const run = await insertRun(database);
    const lost = await meters.open(run).reserve(planOf(100, 900), signal);
    const next = meters.open(await takeOver(database, run));
    const own = await next.reserve(planOf(1, 1), signal);

    const nothing = { usage: NO_USAGE, cost: NO_COST };
    expect(await next.settleLeft(nothing)).toEqual({
      calls: 1,
      tokens: {
        input_tokens: 100,
        output_tokens: 900,
        cache_read_input_tokens: 0,
        cache_creation_input_tokens: 0,
      },
      costMicroUsd: 18_400,
    });
    const counted = { ...NO_USAGE, input_tokens: 100, output_tokens: 900, model_calls: 1 };
    expect(
      await next.settleLeft({ usage: counted, cost: { microUsd: 18_400, isKnown: true } }),
    ).toMatchObject({ calls: 0, tokens: { input_tokens: 0, output_tokens: 0 }, costMicroUsd: 0 });
    expect(told).toMatchObject([{ estimated: true, costMicroUsd: 18_400, durationMs: null }]);
    await own.settle(REFUSED);
    expect(await budgetRows(database, 'run')).toMatchObject([
      { tokens: [1_000, 0], microUsd: [18_400, 0], calls: 1 },
    ]);

    await lost.settle(outcomeOf(100, 200));
    expect(await budgetRows(database, 'run')).toMatchObject([
      { tokens: [300, 0], microUsd: [4_400, 0], calls: 1 },
    ]);
    expect(told).toHaveLength(1);
  });

  it('finds the calls that ended after the last checkpoint of an attempt, with a budget and without', async () => {
    for (const settings of [undefined, { run: { tokens: 10_000 } }]) {
      const meters = metersOn(database, settings);
      const run = await insertRun(database);
      const first = meters.open(run);
      await (await first.reserve(planOf(100, 900), signal)).settle(outcomeOf(100, 200));
      await (await first.reserve(planOf(100, 900), signal)).settle(REFUSED);
      await (await first.reserve(planOf(100, 900), signal)).settle(outcomeOf(150, 20));
      await (await first.reserve(planOf(9, 9, { kind: 'title' }), signal)).settle(outcomeOf(9, 9));
      const counted = { ...NO_USAGE, input_tokens: 100, output_tokens: 200, model_calls: 1 };
      const next = meters.open(await takeOver(database, run));

      expect(
        await next.settleLeft({ usage: counted, cost: { microUsd: 4_400, isKnown: true } }),
      ).toMatchObject({ calls: 1, tokens: { input_tokens: 150, output_tokens: 20 }, costMicroUsd: 1_000 });
    }
  });

  it('sets a call aside once, when it is said again because the answer was lost', async () => {
    const budgets = new BudgetRepository(database);
    const calls = new ModelCallRepository(database, budgets);
    const run = await insertRun(database);
    const held = budgetsOf(run, { run: { tokens: 1_500 } }, run.sessionId, '');
    const call = { id: newId('call'), run, kind: 'turn', model: 'claude-test' } as const;
    const worst = { inputTokens: 100, outputTokens: 900, microUsd: null };

    expect([await calls.reserve(call, worst, held), await calls.reserve(call, worst, held)]).toEqual([
      true,
      true,
    ]);
    expect(await budgetRows(database, 'run')).toMatchObject([{ tokens: [0, 1_000], calls: 1 }]);
    expect(await calls.reserve({ ...call, id: newId('call') }, worst, held)).toBe(false);
    expect(await callRows()).toHaveLength(1);
  });

  it('sweeps up what runs left that are over or gone, and nothing that may go on', async () => {
    const meters = metersOn(database, { tenant: { tokens: 100_000 } });
    const [over, ending, gone, old, working, titled] = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(() => insertRun(database)),
    );
    for (const run of [over, ending, gone, old, working, titled])
      await meters.open(run!).reserve(planOf(100, 900), signal);
    const tables = database.acrossTenants();
    const now = Date.now();
    const end = (id: string, at: number) =>
      tables.updateTable('runs').set({ ended_at: at }).where('id', '=', id).execute();
    await end(over!.id, now - 120_000);
    await setStart(over!.id, now - 180_000);
    // Its title is being thought of, after its end.
    await end(titled!.id, now - 120_000);
    await end(ending!.id, now);
    await tables.deleteFrom('runs').where('id', '=', gone!.id).execute();
    await setStart(gone!.id, now - 3_600_000);
    await setStart(old!.id, now - 90_000_000);

    expect(await meters.sweep()).toBe(3);
    expect(await metersOn(database).sweep()).toBe(0);
    expect(await budgetRows(database, 'tenant')).toMatchObject([{ tokens: [3_000, 3_000] }]);
    expect((await callRows()).filter(({ state }) => state === 'left')).toHaveLength(3);
  });

  function setStart(runId: string, at: number) {
    // The column is fixed for the program, not for a test of what is a day old.
    const change = { started_at: at } as object;
    return database
      .acrossTenants()
      .updateTable('model_calls')
      .set(change)
      .where('run_id', '=', runId)
      .execute();
  }

  it('forgets the budgets of days long over, once nothing is held of them', async () => {
    const meters = metersOn(database, { user: { tokens: 5_000 }, run: { tokens: 5_000 } });
    const meter = meters.open(await insertRun(database), { now: () => Date.parse('2026-01-05T12:00:00Z') });
    const call = await meter.reserve(planOf(100, 900), signal);
    await meters.sweep();
    expect(await budgetRows(database, 'user')).toHaveLength(1);

    await call.settle(outcomeOf(100, 900));
    await meters.sweep();
    expect(await budgetRows(database, 'user')).toEqual([]);
    expect(await budgetRows(database, 'run')).toHaveLength(1);
  });

  it('waits while others hold what it needs, and goes on as soon as they give it back', async () => {
    const settings = { run: { tokens: 1_000 } };
    const [here, there] = [metersOn(databases[0]!, settings), metersOn(databases[1]!, settings)];
    const run = await insertRun(database);
    const times: number[] = [];
    for (const meters of [here, there]) {
      const holder = await here.open(run).reserve(planOf(100, 900), signal);
      let reserved = 0;
      const waiting = meters
        .open(run)
        .reserve(planOf(100, 800), signal)
        .finally(() => (reserved = performance.now()));
      await pause(20);
      expect(reserved).toBe(0);
      await holder.settle(REFUSED);
      const settled = performance.now();
      await (await waiting).settle(REFUSED);
      times.push(reserved - settled);
    }
    process.stdout.write(
      `a refund is used after ${times.map((ms) => ms.toFixed(1)).join(' ms in the same process, ')} ms in another\n`,
    );
    expect(Math.max(...times)).toBeLessThan(1_000);
  });

  it('stops waiting with the reason of its signal', async () => {
    const meter = metersOn(database, { run: { tokens: 1_000 } }).open(await insertRun(database));
    await meter.reserve(planOf(100, 900), signal);
    const stop = new AbortController();
    const waiting = meter.reserve(planOf(100, 800), stop.signal);
    stop.abort(new Error('cancelled'));

    await expect(waiting).rejects.toThrow('cancelled');
    expect(await callRows()).toHaveLength(1);
  });

  it('never allows more than the limit to 50 calls at once from several processes', async () => {
    const settings = { run: { usd: 1 }, session: { usd: 1 }, user: { usd: 1 }, tenant: { usd: 1 } };
    const root = await insertRun(database);
    const runs = await Promise.all(
      Array.from({ length: 49 }, () => insertRun(database, { rootRunId: root.id })),
    );
    const processes = databases.map((one) => metersOn(one, settings));
    let [underWay, mostUnderWay, mostHeld, looks] = [0, 0, 0, 0];
    const full = Promise.withResolvers<void>();
    const look = async (): Promise<void> => {
      looks += 1;
      const held = (await budgetRows(database, '%')).map(({ microUsd }) => microUsd[0]! + microUsd[1]!);
      mostHeld = Math.max(mostHeld, ...held);
      // Less is left than the shortest answer costs.
      if (mostHeld > 975_520) full.resolve();
    };
    const sampling = new AbortController();
    const sampler = (async () => {
      for (; !sampling.signal.aborted; await turn()) await look();
    })();
    const begun = performance.now();
    const call = async (index: number): Promise<void> => {
      const meter = processes[index % processes.length]!.open([root, ...runs][index]!);
      const reserved = await meter.reserve(planOf(1_000, 2_000), signal);
      underWay += 1;
      mostUnderWay = Math.max(mostUnderWay, underWay);
      await look();
      await full.promise;
      await pause(5);
      underWay -= 1;
      await reserved.settle(outcomeOf(1_000, 500));
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => call(index)));
    const took = performance.now() - begun;
    sampling.abort();
    await sampler;

    process.stdout.write(
      `50 calls on 1.00 USD: ${took.toFixed(0)} ms, ${mostUnderWay} at once, most held ${mostHeld / 1e6} USD in ${looks} looks\n`,
    );
    expect(mostUnderWay).toBeGreaterThanOrEqual(22);
    expect(mostHeld).toBeLessThanOrEqual(1_000_000);
    for (const kind of ['run', 'session', 'user', 'tenant'])
      expect(await budgetRows(database, kind)).toMatchObject([{ microUsd: [700_000, 0], calls: 50 }]);
  });

  it('lets exactly as many calls through as a budget has room for', async () => {
    const settings = { tenant: { tokens: 30_000 } };
    const processes = databases.map((one) => metersOn(one, settings));
    const runs = await Promise.all(Array.from({ length: 50 }, () => insertRun(database)));

    const ends = await Promise.allSettled(
      runs.map(async (run, index) => {
        const call = await processes[index % processes.length]!.open(run).reserve(planOf(500, 500), signal);
        await call.settle(outcomeOf(500, 500));
      }),
    );

    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as object] : []));
    expect(refused).toHaveLength(20);
    for (const error of refused) expect(error).toMatchObject({ code: 'budget_exceeded' });
    expect(await budgetRows(database, 'tenant')).toMatchObject([{ tokens: [30_000, 0], calls: 30 }]);
  });

  it('asks the database nothing before a call that no budget bounds, and writes one row after it', async () => {
    const counted = countStatements(database);
    const run = await insertRun(database);
    const call = await metersOn(counted.database).open(run).reserve(planOf(1_000, 2_000), signal);
    expect(counted.take()).toEqual({ statements: 0, transactions: 0 });
    await call.settle(outcomeOf(900, 100));
    await call.settle(outcomeOf(900, 100));
    expect(await callRows()).toMatchObject([{ state: 'spent', output_tokens: 100, cost_micro_usd: 5_600 }]);
    expect(counted.take()).toEqual({ statements: 2, transactions: 0 });

    const limits = { usd: 1 };
    const bounded = metersOn(counted.database, {
      run: limits,
      session: limits,
      user: limits,
      tenant: limits,
    });
    const held = await bounded.open(run).reserve(planOf(1_000, 2_000), signal);
    expect(counted.take()).toEqual({ statements: 2, transactions: 1 });
    await held.settle(outcomeOf(900, 100));
    expect(counted.take()).toEqual({ statements: 2, transactions: 1 });
  });

  it('tells how long its statements take', async () => {
    const run = await insertRun(database);
    const limits = { usd: 1_000 };
    const bounded = metersOn(database, { run: limits, session: limits, user: limits, tenant: limits });
    const lines: string[] = [];
    for (const [name, meters] of [
      ['no budget', metersOn(database)],
      ['four budgets', bounded],
    ] as const) {
      const [reserves, settles]: [number[], number[]] = [[], []];
      for (let n = 0; n < 100; n += 1) {
        const begun = performance.now();
        const call = await meters.open(run).reserve(planOf(1_000, 2_000), signal);
        const reserved = performance.now();
        await call.settle(outcomeOf(900, 100));
        reserves.push(reserved - begun);
        settles.push(performance.now() - reserved);
      }
      lines.push(`${name}: reserve ${median(reserves)} ms, settle ${median(settles)} ms`);
    }
    process.stdout.write(`${lines.join('; ')} (medians)\n`);
    expect(await budgetRows(database, 'run')).toMatchObject([{ calls: 100 }]);
    await until('all booked', async () => (await callRows()).every(({ state }) => state === 'spent'));
  });
});

function median(times: number[]): string {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!.toFixed(2);
}

/** The same database, counting what is asked through it. */
function countStatements(database: Database) {
  let [statements, transactions] = [0, 0];
  const kysely = database.kysely.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: ({ result }) => {
      statements += 1;
      return Promise.resolve(result);
    },
  });
  const counting = Object.create(database, {
    kysely: { value: kysely },
    transaction: {
      value: (work: Parameters<Database['transaction']>[0]) => {
        transactions += 1;
        return kysely.transaction().execute(work);
      },
    },
  }) as Database;
  const take = () => {
    const taken = { statements, transactions };
    [statements, transactions] = [0, 0];
    return taken;
  };
  return { database: counting, take };
}
