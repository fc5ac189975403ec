import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../support/cluster/cluster.js';
import { quantile, scale, spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import type { Seen, Viewer } from '../support/cluster/viewer.js';
import { placeOf, textOf } from '../support/event-list.js';
import { Random } from '../support/random.js';
import { until, within } from '../support/until.js';

const LANES = 3;
const LEASE_MS = 1_500;
/** Longest, with its takeover and the restart. */
const A_KILL_MS = 4_000;
const PLAN = [
  ...Array.from({ length: 15 }, () => ({ words: 12, paceMs: 15, tool: 'take_effect' })),
  { words: 12, paceMs: 15 },
];

onEachLog('kill -9 of the owner, again and again, over three servers', (log) => {
  const KILLS = scale('KILLS', log === 'sql' ? 8 : 4);
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ log, script: byPlan, env: { LEASE_MS: String(LEASE_MS) } });
  });
  afterAll(() => cluster?.stop());

  it(
    `${KILLS} times: loses nothing, repeats nothing, and all viewers have the same list`,
    async () => {
      const random = Random.printed(`kills (${log})`);
      const killed = { times: 0 };
      const pairs: [Viewer, Viewer][] = [];
      const current = new Map<number, [Viewer, Viewer]>();
      const lanes = Array.from({ length: LANES }, async (_, lane) => {
        for (let n = 0; n === 0 || killed.times < KILLS; n += 1) {
          const pair = await watched(`kill-${lane}-${n}`, random.between(0, 2));
          pairs.push(pair);
          current.set(lane, pair);
          await Promise.all(pair.map(({ over }) => over));
        }
      });
      const takeovers: number[] = [];
      let lane = 0;
      while (killed.times < KILLS) {
        lane = (lane + 1) % LANES;
        const pair = current.get(lane);
        await delay(random.between(0, 400));
        const takeover = pair && (await killOwnerOf(pair));
        if (takeover === undefined) continue;
        killed.times += 1;
        if (takeover !== 'over') takeovers.push(takeover);
      }
      await within(120_000, 'all runs to end', Promise.all(lanes));

      const viewers = pairs.flat();
      expect(await faultsIn(cluster, { targets: pairs.map(([{ target }]) => target), viewers })).toEqual([]);
      for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
      const events = viewers.reduce((sum, { list }) => sum + list.length, 0);
      tell(
        `rows 1-4 (${log}): ${killed.times} kills over 3 servers, ${pairs.length} runs, ${events} events, 0 lost, 0 doubled, ` +
          `${cluster.effects.list.length} effects, 0 repeated, takeover ${spread(takeovers)} (LEASE_MS=${LEASE_MS})`,
      );
      expect(quantile(takeovers, 0.99)).toBeLessThan(LEASE_MS + 5_000);
    },
    180_000 + KILLS * A_KILL_MS,
  );

  async function watched(name: string, node: number): Promise<[Viewer, Viewer]> {
    const target = await cluster.begin(asking(name, PLAN), node);
    return [
      cluster.watch(target, node + 1, { transport: 'sse' }),
      cluster.watch(target, node + 2, { transport: 'ws' }),
    ];
  }

  /**
   * Kills whoever works on the run, and starts it again.
   * @returns milliseconds to the first event of the next attempt at a viewer; undefined: nobody was killed.
   */
  async function killOwnerOf(pair: [Viewer, Viewer]): Promise<number | 'over' | undefined> {
    const [{ target }] = pair;
    const owner = pair.some(({ isDone }) => isDone) ? undefined : await cluster.ownerOf(target.runId);
    if (owner === undefined) return undefined;
    const seen = Math.max(...pair.map(attemptOf));
    const killedAt = performance.now();
    await owner.kill();
    const next = (): Seen | 'over' | undefined => {
      const seenNow = pair.flatMap(({ list }) => list).filter(({ at }) => at > killedAt);
      const first = seenNow.toSorted((a, b) => a.at - b.at).find(({ id }) => placeOf(id).attempt > seen);
      return first ?? (pair.every(({ isDone }) => isDone) ? 'over' : undefined);
    };
    const [first] = await Promise.all([until('the next attempt', next, 60_000), owner.restart()]);
    return first === 'over' ? 'over' : first.at - killedAt;
  }
});

function attemptOf({ list }: Viewer): number {
  const last = list.at(-1);
  return last === undefined ? 0 : placeOf(last.id).attempt;
}
