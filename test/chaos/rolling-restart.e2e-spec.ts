import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster } from '../support/cluster/cluster.js';
import type { ClusterNode } from '../support/cluster/cluster-node.js';
import { quantile, scale, spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import type { Target, Viewer } from '../support/cluster/viewer.js';
import { textOf } from '../support/event-list.js';
import { until, within } from '../support/until.js';

const RUNS = scale('RUNS', 20);
const VIEWERS = scale('VIEWERS', 100);
const GRACE_MS = 10_000;
/** The bar of the product is 3,000 on a machine of its own; here the test and all servers share its cores. */
const MOST_GAP_MS = scale('MOST_GAP_MS', 6_000);
const NEW_RUN_EVERY_MS = 150;
/** Between two tokens of a run. */
const PACE_MS = scale('PACE_MS', 60);
const LONG = [
  ...Array.from({ length: 18 }, () => ({ words: 5, paceMs: PACE_MS, tool: 'take_effect' })),
  { words: 5, paceMs: PACE_MS },
];
const QUICK = [{ words: 3, tool: 'take_effect' }, { words: 3 }];

onEachLog(`a rolling restart under ${RUNS} runs and ${VIEWERS} viewers`, (log) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ log, script: byPlan, env: { SHUTDOWN_GRACE_MS: String(GRACE_MS) } });
  });
  afterAll(() => cluster?.stop());

  it('row 6: no run fails, no effect is repeated, and viewers are soon back', async () => {
    const targets = await Promise.all(
      Array.from({ length: RUNS }, (_, n) => cluster.begin(asking(`roll-${n}`, LONG), n)),
    );
    const viewers = Array.from({ length: VIEWERS }, (_, n) =>
      cluster.watch(targets[n % RUNS]!, n, { transport: n % 2 === 0 ? 'sse' : 'ws', patient: true }),
    );
    await until('all viewers to see their run', () => viewers.every(({ list }) => list.length > 1), 30_000);
    const rolling = roll();
    const quick = await quickRunsUntil(rolling);
    const restarts = await rolling;
    await cluster.overAll(viewers, 120_000);
    for (const { runId } of quick) await cluster.insist(0, (api) => api.settled(runId));

    expect(await faultsIn(cluster, { targets: [...targets, ...quick], viewers })).toEqual([]);
    for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
    for (const { exit, tookMs, unreadyMs } of restarts) {
      expect(exit).toEqual({ code: 0, signal: null });
      expect(tookMs).toBeLessThan(GRACE_MS);
      // 1,000 is what is promised; here the test and all servers share the cores.
      expect(unreadyMs).toBeLessThan(3_000);
    }
    report(viewers, quick, restarts);
    const gaps = viewers.flatMap((viewer) => viewer.gaps);
    expect(gaps.length).toBeGreaterThan(0);
    expect(quantile(gaps, 0.99)).toBeLessThan(MOST_GAP_MS);
  });

  interface Restart {
    exit: Awaited<ReturnType<ClusterNode['terminate']>>;
    /** From SIGTERM, in milliseconds. */
    tookMs: number;
    unreadyMs: number;
  }

  async function roll(): Promise<Restart[]> {
    const restarts: Restart[] = [];
    for (const node of cluster.nodes) {
      const signalled = performance.now();
      const exited = node.terminate();
      await until(`${node.name} not to be ready`, async () => !(await node.server.isReady()), 5_000);
      const unreadyMs = performance.now() - signalled;
      const exit = await within(GRACE_MS + 10_000, `${node.name} to end`, exited);
      restarts.push({ exit, unreadyMs, tookMs: performance.now() - signalled });
      await node.restart();
    }
    return restarts;
  }

  /** Users go on to ask while servers come and go. */
  async function quickRunsUntil(end: Promise<unknown>): Promise<Target[]> {
    const state = { isOver: false };
    const ended = end.finally(() => (state.isOver = true));
    const begun: Promise<Target>[] = [];
    while (!state.isOver) {
      begun.push(cluster.begin(asking(`quick-${begun.length}`, QUICK), begun.length));
      await Promise.race([ended, delay(NEW_RUN_EVERY_MS)]);
    }
    return Promise.all(begun);
  }

  function report(viewers: Viewer[], quick: Target[], restarts: Restart[]): void {
    const gapsOf = (transport: string) =>
      viewers.filter((_, n) => (n % 2 === 0 ? 'sse' : 'ws') === transport).flatMap(({ gaps }) => gaps);
    const events = viewers.reduce((sum, { list }) => sum + list.length, 0);
    tell(
      `row 6 (${log}): 3 restarts under ${RUNS} runs and ${VIEWERS} viewers and ${quick.length} runs begun meanwhile, ${events} events, ` +
        `0 lost, 0 doubled, 0 failed, ${cluster.effects.list.length} effects, 0 repeated; gap of streams ${spread(gapsOf('sse'))}, ` +
        `of sockets ${spread(gapsOf('ws'))}; not ready after ${spread(restarts.map(({ unreadyMs }) => unreadyMs))}; ` +
        `exit 0 after ${spread(restarts.map(({ tookMs }) => tookMs))}`,
    );
  }
});
