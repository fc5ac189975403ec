import { afterAll, beforeAll, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { PostgresServer } from '../../scripts/postgres/postgres-server.mjs';
import { RedisServer } from '../../scripts/redis/redis-server.mjs';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster/cluster.js';
import type { Held } from '../support/cluster/cluster-node.js';
import { type Fault, faultsFor, LOSES_LOGS } from '../support/cluster/faults.js';
import { scale, tell } from '../support/cluster/figures.js';
import { faultsIn, leaksBetween } from '../support/cluster/invariants.js';
import { asking, byPlan, nameOf, plannedText, type Turn } from '../support/cluster/plan.js';
import { onEachLog, Stores } from '../support/cluster/stores.js';
import type { Target, Viewer } from '../support/cluster/viewer.js';
import { textOf } from '../support/event-list.js';
import { Random } from '../support/random.js';

/** Seeds that have found something; they are driven always. */
const KEPT_SEEDS: number[] = [];
const SEED = scale('SEED', 11);
const ROUNDS = scale('ROUNDS', 1);
const RUNS = 3;
const QUIET_MS = 10_000;
const LEASE_MS = 1_500;

onEachLog('whatever goes wrong', (log) => {
  let stores: Stores;
  let cluster: Cluster;
  let before: Held[];

  beforeAll(async () => {
    // What PostgreSQL has acknowledged must survive its death.
    const postgres = await PostgresServer.start({ durable: true });
    stores = Stores.of(postgres, log === 'redis' ? await RedisServer.start() : undefined);
    const env = { LEASE_MS: String(LEASE_MS), SHUTDOWN_GRACE_MS: '3000' };
    cluster = await Cluster.start({ log, script: byPlan, env, stores, proxied: true });
    const warm = await Promise.all([0, 1, 2].map((node) => watched(`warm-${node}`, new Random(node), node)));
    await Promise.all(warm.flat().map(({ over }) => over));
    before = await Promise.all(cluster.nodes.map((node) => node.held()));
  });
  afterAll(async () => {
    await cluster?.stop();
    await stores?.stop();
  });

  it.each([...KEPT_SEEDS, SEED])('all invariants hold (seed %i)', async (seed) => {
    tell(`driver (${log}): SEED=${seed}, ROUNDS=${ROUNDS}`);
    const random = new Random(seed);
    const history: string[] = [];
    let events = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const { told, cancelled, happened } = await oneRound(`drive-${seed}-${round}`, random);
      history.push(...happened);
      const viewers = [...told, ...cancelled];
      const mayLose = happened.includes(LOSES_LOGS);
      const faults = await faultsIn(cluster, { targets: targetsOf(viewers), viewers, mayLose });
      faults.push(
        ...told.filter(showsAnother).map(({ target }) => `${nameOf(target.content)}: another text`),
      );
      const misled = viewers.filter(({ losses }) => losses.length > 0 && !mayLose);
      faults.push(...misled.map(({ target }) => `${nameOf(target.content)}: a reset, but no log was lost`));
      expectNone(faults, history);
      await expectGoOn(targetsOf(viewers), history);
      events += viewers.reduce((sum, { list }) => sum + list.length, 0);
    }
    await delay(QUIET_MS);
    const after = await Promise.all(cluster.nodes.map((node) => node.held()));
    expectNone(leaksBetween(before, after), history);
    tell(
      `driver (${log}): seed ${seed}, ${history.length} faults of ${new Set(history.map(kindOf)).size} kinds, ${events} events, I1-I7 hold`,
    );
  });

  interface Round {
    told: Viewer[];
    /** Viewers of a run that somebody has cancelled. */
    cancelled: Viewer[];
    happened: string[];
  }

  async function oneRound(name: string, random: Random): Promise<Round> {
    const begin = (what: string) => watched(`${name}-${what}`, random, random.between(0, 2));
    const told = (await Promise.all(Array.from({ length: RUNS }, (_, n) => begin(`${n}`)))).flat();
    const cancelled = await begin('cancelled');
    const faults = choose(random);
    const happened = faults.map(({ fault, node }) =>
      fault.of === 'node' ? `node ${node} ${fault.name}` : fault.name,
    );
    await delay(random.between(0, 1_000));
    const happening = Promise.all(faults.map(({ fault, node }) => fault.happen(cluster, node, random)));
    // Somebody asks in the middle of it, and somebody does not want to know any more.
    const late = begin('late');
    await delay(random.between(0, 1_000));
    await Promise.all([happening, late, cancel(cancelled[0]!, random.between(0, 2))]);
    told.push(...(await late));
    await cluster.overAll([...told, ...cancelled], 90_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\nafter: ${happened.join('; ')}`, { cause: error });
    });
    return { told, cancelled, happened };
  }

  async function cancel({ target }: Viewer, node: number): Promise<void> {
    await cluster.insist(node, async (api) => expectStatus(await api.cancel(target.runId), 200));
  }

  /** Every session takes the next question: its conversation is whole, or the model would refuse it. */
  async function expectGoOn(targets: Target[], history: string[]): Promise<void> {
    const runs = targets.map(async ({ sessionId, content }, n) => {
      const next = asking(`${nameOf(content)}-next`, [{ words: 1 }]);
      const { id } = await cluster.post(sessionId, next, n);
      return cluster.insist(n, (api) => api.settled(id));
    });
    const stuck = (await Promise.all(runs)).filter(({ status }) => status !== 'completed');
    expectNone(
      [...stuck.map(({ id, status }) => `${id} is ${status}`), ...cluster.upstream.complaints],
      history,
    );
  }

  /** One fault, or two of two servers. */
  function choose(random: Random): { fault: Fault; node: number }[] {
    const all = faultsFor(cluster);
    const node = random.between(0, 2);
    const first = all[random.between(0, all.length - 1)]!;
    const others = all.filter((fault) => fault.of === 'node');
    const second = others[random.between(0, others.length - 1)]!;
    if (first.of === 'store' || random.between(0, 1) === 0) return [{ fault: first, node }];
    return [
      { fault: first, node },
      { fault: second, node: (node + random.between(1, 2)) % 3 },
    ];
  }

  /** A run of some turns, watched from two servers. */
  async function watched(name: string, random: Random, node: number): Promise<Viewer[]> {
    const turns: Turn[] = Array.from({ length: random.between(2, 6) }, () => ({
      words: random.between(5, 30),
      paceMs: random.between(5, 30),
      tool: random.between(0, 1) === 0 ? 'take_effect' : 'take_effect_again',
    }));
    const target = await cluster.begin(asking(name, [...turns, { words: 10, paceMs: 10 }]), node);
    const mayLose = log === 'redis';
    return [
      cluster.watch(target, random.between(0, 2), { transport: 'sse', mayLose }),
      cluster.watch(target, random.between(0, 2), { transport: 'ws', mayLose }),
    ];
  }
});

/** All of both lists: Jest would show where they differ. */
function expectNone(faults: string[], history: string[]): void {
  if (faults.length > 0) throw new Error([...faults, `after: ${history.join('; ')}`].join('\n'));
}

function targetsOf(viewers: Viewer[]): Target[] {
  return [...new Map(viewers.map(({ target }) => [target.runId, target])).values()];
}

function showsAnother({ list, target }: Viewer): boolean {
  return textOf(list) !== plannedText(target.content);
}

function kindOf(happened: string): string {
  return happened.replace(/^node \d /, '');
}
