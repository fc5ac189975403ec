import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../random.js';
import type { Cluster } from './cluster.js';
import type { FaultProxy } from './fault-proxy.js';

/** Something that goes wrong for a while and is mended when the promise resolves. */
export interface Fault {
  name: string;
  /** What it takes away: of a store nothing else may be broken meanwhile, since servers cannot start without it. */
  of: 'node' | 'store';
  happen(cluster: Cluster, node: number, random: Random): Promise<void>;
}

/** The one after which viewers may be told that what they hold is lost. */
export const LOSES_LOGS = 'Redis comes back empty';

const onNode = (name: string, happen: Fault['happen']): Fault => ({ name, of: 'node', happen });
const onStore = (name: string, happen: Fault['happen']): Fault => ({ name, of: 'store', happen });

const NODE_FAULTS: Fault[] = [
  onNode('is killed', async (cluster, node, random) => {
    await cluster.nodes[node]!.kill();
    await delay(random.between(0, 1_500));
    await cluster.nodes[node]!.restart();
  }),
  onNode('is stopped and goes on', async (cluster, node, random) => {
    cluster.nodes[node]!.server.kill('SIGSTOP');
    await delay(random.between(200, 3_500));
    cluster.nodes[node]!.server.kill('SIGCONT');
  }),
  onNode('is deployed anew', async (cluster, node) => {
    await cluster.nodes[node]!.terminate();
    await cluster.nodes[node]!.restart();
  }),
];

const STORE_FAULTS: Fault[] = [
  onStore('PostgreSQL is restarted', async ({ stores: { postgres } }, _node, random) => {
    await postgres.shutDown();
    await delay(random.between(0, 2_000));
    await postgres.restart();
  }),
  onStore('PostgreSQL dies', async ({ stores: { postgres } }, _node, random) => {
    await postgres.crash();
    await delay(random.between(0, 2_000));
    await postgres.restart();
  }),
];

const REDIS_FAULTS: Fault[] = [
  onStore('Redis is restarted', async ({ stores: { redis } }, _node, random) => {
    await redis!.shutDown();
    await delay(random.between(0, 2_000));
    await redis!.restart();
  }),
  onStore('Redis dies', async ({ stores: { redis } }, _node, random) => {
    await redis!.crash();
    await delay(random.between(0, 2_000));
    await redis!.restart();
  }),
  onStore(LOSES_LOGS, async ({ stores: { redis } }) => redis!.restart({ empty: true })),
];

/** All that can happen to this cluster. */
export function faultsFor(cluster: Cluster): Fault[] {
  const ways: ('postgres' | 'redis')[] = cluster.log === 'redis' ? ['postgres', 'redis'] : ['postgres'];
  return [
    ...NODE_FAULTS,
    ...ways.flatMap(wayFaults),
    ...STORE_FAULTS,
    ...(cluster.log === 'redis' ? REDIS_FAULTS : []),
  ];
}

function wayFaults(store: 'postgres' | 'redis'): Fault[] {
  const broken = (what: string, breaks: (proxy: FaultProxy, random: Random) => void) =>
    onNode(`${what} ${store}`, async (cluster, node, random) => {
      const proxy = cluster.ways[node]![store]!;
      breaks(proxy, random);
      await delay(random.between(100, 4_000));
      proxy.heal();
    });
  return [
    broken('cannot reach', (proxy) => proxy.refuse()),
    broken('hears nothing of', (proxy) => proxy.blackHole()),
    broken('loses its connections to', (proxy) => proxy.reset()),
    broken('is far from', (proxy, random) => proxy.delay(random.between(20, 200))),
    broken('is cut in an answer of', (proxy, random) => proxy.cutAfter(random.between(1, 3_000))),
  ];
}
