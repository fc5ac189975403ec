import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../support/cluster/cluster.js';
import { spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import { placeOf, textOf } from '../support/event-list.js';
import { until, within } from '../support/until.js';

const LEASE_MS = 1_500;
const RUNS = 6;
/** A turn that still streams when the frozen server is woken. */
const PLAN = [
  { words: 5, tool: 'take_effect' },
  { words: 250, paceMs: 25 },
];

onEachLog('an owner that stands still for longer than its lease', (log) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ log, script: byPlan, env: { LEASE_MS: String(LEASE_MS) } });
  });
  afterAll(() => cluster?.stop());

  it('row 10: loses its runs to another; woken, it writes nothing more and drops them at once', async () => {
    const frozen = cluster.nodes[0]!;
    const targets = await Promise.all(
      Array.from({ length: RUNS }, (_, n) => cluster.begin(asking(`freeze-${n}`, PLAN), 0)),
    );
    // One viewer of each run is at the server that freezes, and two are not.
    const viewers = targets.flatMap((target) => [0, 1, 2].map((node) => cluster.watch(target, node)));
    await until('all to see the second turn', () => viewers.every(({ list }) => list.length > 15), 20_000);
    frozen.server.kill('SIGSTOP');
    const stopped = performance.now();
    const first = (n: number) => viewers[3 * n + 1]!.list.find(({ id }) => placeOf(id).attempt === 2);
    await until('another server to have every run', () => targets.every((_, n) => first(n)), 30_000);
    await delay(Math.max(0, stopped + 2 * LEASE_MS - performance.now()));
    const open = cluster.upstream.calls.filter(
      (call) => cluster.callerOf(call) === frozen && call.closedAt === undefined,
    );
    expect(open.length).toBe(RUNS);
    frozen.server.kill('SIGCONT');
    const woken = performance.now();
    await within(
      30_000,
      'the frozen server to leave the model',
      Promise.all(open.map(({ closed }) => closed)),
    );
    await cluster.overAll(viewers, 60_000);

    expect(await faultsIn(cluster, { targets, viewers })).toEqual([]);
    for (const { events, target, list } of viewers) {
      expect(textOf(events)).toBe(plannedText(target.content));
      expect(Math.max(...list.map(({ id }) => placeOf(id).attempt))).toBe(2);
    }
    const drops = open.map(({ closedAt }) => closedAt! - woken);
    const takeovers = targets.map((_, n) => first(n)!.at - stopped);
    tell(
      `row 10 (${log}): ${RUNS} runs, owner stopped for ${Math.round(woken - stopped)} ms, takeover ${spread(takeovers)} (LEASE_MS=${LEASE_MS}), ` +
        `0 old writes accepted, dropped ${spread(drops)} after it woke`,
    );
    expect(Math.max(...drops)).toBeLessThan(1_000 + LEASE_MS / 3);
  });
});
