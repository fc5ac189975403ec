import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../support/cluster/cluster.js';
import { scale, spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText, toolCallId, type Turn } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import type { Viewer } from '../support/cluster/viewer.js';
import { dataOf, placeOf, textOf, type ViewedEvent } from '../support/event-list.js';
import { Random } from '../support/random.js';
import { until } from '../support/until.js';

const LEASE_MS = 1_500;
/** Times that a server is killed in each story, and runs that it works on then. */
const ROUNDS = scale('ROUNDS', 1);
const RUNS = 10;
/** From the first tool's end on. */
const KILL_AFTER_MS = 30;

const row2 = (n: number): Turn[] => [
  { words: 3, tool: n % 2 === 0 ? 'take_effect' : 'take_effect_again' },
  { words: 3 },
];

/** A server with its runs, each of which is watched from another server. */
interface Round {
  viewers: Viewer[];
  killedAt: number;
}

onEachLog('a server that is killed while it works', (log) => {
  let cluster: Cluster;
  const random = Random.printed(`owner dies (${log})`);

  beforeAll(async () => {
    cluster = await Cluster.start({ log, script: byPlan, env: { LEASE_MS: String(LEASE_MS) } });
  });
  afterAll(() => cluster?.stop());

  it('row 1: mid-token: another takes over, takes the half turn back, and the stream goes on', async () => {
    const rounds = await inRounds(
      'row1',
      () => [{ words: 60, paceMs: 12 }],
      () => async (viewers) => {
        await until('all to see tokens', () => viewers.every(({ list }) => list.length > 5), 20_000);
        await delay(random.between(0, 300));
      },
    );
    for (const { events } of viewersOf(rounds)) expect(attemptsOf(events)).toEqual([1, 2]);
    await expectUnharmed('row 1', rounds);
  });

  it('row 2: inside a tool: what is idempotent runs again, of any other the outcome is unknown', async () => {
    const rounds = await inRounds('row2', row2, () => insideTools());
    for (const { events, target } of viewersOf(rounds)) {
      const { name, is_error, result } = resultOf(events);
      const times = cluster.effects.of(toolCallId(target.content, 0)).length;
      if (name === 'take_effect_again') expect([is_error, result, times]).toEqual([false, { effect: 2 }, 2]);
      else expect([is_error, result, times]).toEqual([true, expect.stringMatching(/^Outcome unknown/), 1]);
    }
    await expectUnharmed('row 2', rounds);
  });

  it('rows 3 and 4: while a tool ends: no effect is repeated, and a stored result is used', async () => {
    const plan = [
      { words: 3, tool: 'take_effect' },
      { words: 40, paceMs: 10 },
    ];
    const rounds = await inRounds(
      'row34',
      () => plan,
      () => insideTools(true),
    );
    const found = { unknown: 0, stored: 0, further: 0 };
    for (const { events, target } of viewersOf(rounds)) {
      const { is_error, result } = resultOf(events);
      expect(cluster.effects.of(toolCallId(target.content, 0)).length).toBe(1);
      expect(result).toEqual(is_error ? expect.stringMatching(/^Outcome unknown/) : { effect: 1 });
      if (is_error) found.unknown += 1;
      else if (events.some(({ event }) => event === 'reset')) found.further += 1;
      else found.stored += 1;
    }
    await expectUnharmed('rows 3 and 4', rounds);
    tell(
      `rows 3 and 4 (${log}): ${found.unknown} before the result was stored, ${found.stored} after it and before the next turn, ` +
        `${found.further} in the next turn; 0 executions repeated`,
    );
  });

  /** Begins runs on one server after the other, and kills it when what `prepare` gave before they began is over. */
  async function inRounds(
    name: string,
    plan: (n: number) => Turn[],
    prepare: () => (viewers: Viewer[]) => Promise<void>,
  ): Promise<Round[]> {
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const node = cluster.nodes[round % cluster.nodes.length]!;
      const toKill = prepare();
      const begun = Array.from({ length: RUNS }, async (_, n) => {
        const target = await cluster.begin(asking(`${name}-${round}-${n}`, plan(n)), node.index);
        return cluster.watch(target, node.index + 1 + (n % 2), { transport: n % 3 === 0 ? 'ws' : 'sse' });
      });
      const viewers = await Promise.all(begun);
      await toKill(viewers);
      const killedAt = performance.now();
      await node.kill();
      cluster.effects.onEach(() => undefined);
      await Promise.all([node.restart(), cluster.overAll(viewers, 60_000)]);
      rounds.push({ viewers, killedAt });
    }
    return rounds;
  }

  /** All tools of a round are at work; when they are to end, each does so a little before the kill or after it. */
  function insideTools(end = false): (viewers: Viewer[]) => Promise<void> {
    const held = Promise.withResolvers<void>();
    cluster.effects.onEach(() => held.promise.then(() => delay(random.between(0, 2 * KILL_AFTER_MS))));
    return async (viewers) => {
      const runs = new Set(viewers.map(({ target }) => target.runId));
      const atWork = () =>
        new Set(cluster.effects.list.map(({ runId }) => runId).filter((id) => runs.has(id))).size;
      await until('all tools to be at work', () => atWork() === RUNS, 20_000);
      if (!end) return;
      held.resolve();
      await delay(KILL_AFTER_MS);
    };
  }

  async function expectUnharmed(row: string, rounds: Round[]): Promise<void> {
    const viewers = viewersOf(rounds);
    expect(await faultsIn(cluster, { targets: viewers.map(({ target }) => target), viewers })).toEqual([]);
    for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
    const takeovers = rounds.flatMap((round) =>
      round.viewers.map((viewer) => takeoverOf(viewer, round.killedAt)),
    );
    const events = viewers.reduce((sum, { list }) => sum + list.length, 0);
    tell(
      `${row} (${log}): ${ROUNDS} kills under ${RUNS} runs each, ${events} events, 0 lost, 0 doubled, ` +
        `takeover ${spread(takeovers)} (LEASE_MS=${LEASE_MS})`,
    );
    expect(Math.max(...takeovers)).toBeLessThan(LEASE_MS + 5_000);
  }
});

function viewersOf(rounds: Round[]): Viewer[] {
  return rounds.flatMap(({ viewers }) => viewers);
}

/** Milliseconds from the kill to the first event of another attempt. */
function takeoverOf({ list }: Viewer, killedAt: number): number {
  return list.find(({ id }) => placeOf(id).attempt > 1)!.at - killedAt;
}

function attemptsOf(events: ViewedEvent[]): number[] {
  return [...new Set(events.map(({ id }) => placeOf(id).attempt))];
}

function resultOf(events: ViewedEvent[]) {
  return dataOf(events.find(({ event }) => event === 'tool_result'));
}
