import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../../test/support/databases.js';
import { type LoopOptions, RunBench } from '../../../test/support/runs/run-bench.js';
import {
  type Beat,
  saying,
  ScriptedModel,
  started,
  text,
  toolUse,
} from '../../../test/support/runs/scripted-model.js';
import { metersOn, planOf } from '../../../test/support/usage-bench.js';
import type { BudgetSettings } from '../../usage/usage.config.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
  bench.addTool('look');
});
afterEach(async () => {
  expect(bench.unexpected).toEqual([]);
  await bench.database.close();
});

/** One attempt, whose calls are written down as they are in the server. */
function attempt(run: Run, answers: Beat[][], options: LoopOptions & { budgets?: BudgetSettings } = {}) {
  const meters = metersOn(bench.database, options.budgets);
  return bench.attempt(run, ScriptedModel.saying(...answers), {
    ...options,
    between: (writer, stores) => [writer, { ...stores, openMeter: (its) => meters.open(its) }],
  });
}

const states = async () =>
  (
    await bench.database.acrossTenants().selectFrom('model_calls').select('state').orderBy('id').execute()
  ).map(({ state }) => state);

describe('what a run has spent', () => {
  it.each([undefined, { run: { tokens: 100_000 } }])(
    'holds the call that a server ended when it shut down (budgets: %j)',
    async (budgets) => {
      const run = await bench.begin();
      const shutdown = new AbortController();
      const stop = () => shutdown.abort(new RunStop('shutdown'));
      const half = [started, text('12345678'), stop];
      expect(await attempt(run, [half], { budgets, signal: shutdown.signal })).toBe('moved');
      await attempt(await bench.takeOver(run), [saying(['ok'])], { budgets });

      expect((await bench.lines(run)).at(-1)).toBe('2.6 done completed end_turn 20/9 in 2 estimated');
      expect(await states()).toEqual(['spent', 'spent']);
    },
  );

  it('holds a failed try whose process ended before anything else was stored', async () => {
    const run = await bench.begin();
    const shutdown = new AbortController();
    const silent = [started, () => shutdown.abort(new RunStop('shutdown'))];
    await attempt(run, [silent], { signal: shutdown.signal });
    await attempt(await bench.takeOver(run), [saying(['ok'])]);

    expect((await bench.lines(run)).at(-1)).toMatch(/done completed end_turn 20\/8 in 2 estimated$/);
  });

  it('holds what a dead process had set aside, also when the log is lost', async () => {
    const run = await bench.begin();
    const budgets = { run: { tokens: 6_000 } };
    const lost = new AbortController();
    const die = () => lost.abort(new RunStop('lost'));
    await attempt(run, [saying([], [toolUse('a', 'look')]), [die]], { budgets, signal: lost.signal });
    await metersOn(bench.database, budgets).open(run).reserve(planOf(100, 900), new AbortController().signal);
    await bench.loseLog(run.id);
    await attempt(await bench.takeOver(run), [saying(['ok'])], { budgets });

    expect((await bench.lines(run)).at(-1)).toMatch(/done completed end_turn 120\/914 in 3 estimated$/);
    expect(await states()).toEqual(['spent', 'refused', 'left', 'spent']);
  });
});
