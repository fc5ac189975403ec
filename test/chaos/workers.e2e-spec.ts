import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { numberOf } from '../support/cluster/cluster-node.js';
import { tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText, type Turn } from '../support/cluster/plan.js';
import { describeWith } from '../support/cluster/stores.js';
import { textOf } from '../support/event-list.js';
import { ServerProcess } from '../support/server-process.js';
import { until, within } from '../support/until.js';

const RUNS = 24;
const TALK: Turn[] = [
  { words: 60, paceMs: 50, tool: 'take_effect' },
  { words: 20, paceMs: 50 },
];

/** One server of two workers: whoever connects meets one of them. */
describeWith(['sql'], 'several workers on one port', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ log: 'sql', script: byPlan, nodes: 1, env: { WORKERS: '2' } });
    await allReady();
  });
  afterAll(() => cluster?.stop());

  /** Those that the server has started and that live. */
  const workers = (): number[] => {
    const { pid } = cluster.nodes[0]!.server;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  };

  /** The first one answers before the others are there. */
  const allReady = () =>
    until('both workers', () => cluster.nodes[0]!.server.stdout.includes('2 processes'), 30_000);

  const startTalks = (name: string) =>
    Promise.all(Array.from({ length: RUNS }, (_, n) => cluster.begin(asking(`${name}-${n}`, TALK))));

  it('share the runs, tell their measures together, and take over from one that is killed', async () => {
    const targets = await startTalks('shared');
    const viewers = targets.map((target) => cluster.watch(target, 0));
    await until('all to be under way', () => viewers.every(({ list }) => list.length > 3));
    const owners = await cluster.query<{ owner: string }>('select distinct owner from runs');
    const measured = await Promise.all(Array.from({ length: 6 }, () => cluster.nodes[0]!.metrics()));
    const before = workers();
    process.kill(before[0]!, 'SIGKILL');
    await cluster.overAll(viewers, 60_000);
    await until('another worker', () => workers().filter((pid) => !before.includes(pid)).length === 1);

    expect(owners.length).toBe(2);
    expect(measured.map((text) => numberOf(text, 'agentline_streams_open'))).toEqual(Array(6).fill(RUNS));
    expect(await faultsIn(cluster, { targets, viewers })).toEqual([]);
    for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
    tell(`workers: ${RUNS} runs on 2 workers, one killed: 0 lost, 0 doubled, another began`);
  });

  it('end together on SIGTERM, with the runs given back whole', async () => {
    const targets = await startTalks('ended');
    const viewers = targets.map((target) => cluster.watch(target, 0));
    await until('all to be under way', () => viewers.every(({ list }) => list.length > 3));
    // A service manager tells every process, and the supervisor tells its workers again.
    for (const pid of workers()) process.kill(pid, 'SIGTERM');
    const exit = await within(60_000, 'the server to end', cluster.nodes[0]!.terminate());
    await cluster.nodes[0]!.restart();
    await allReady();
    await cluster.overAll(viewers, 60_000);

    expect(exit).toEqual({ code: 0, signal: null });
    expect(await faultsIn(cluster, { targets, viewers })).toEqual([]);
    for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
  });

  it.each([300, 900, 1_500, 2_200, 3_000])(
    'end also when they are told %d ms after their start',
    async (ms) => {
      const env = { WORKERS: '3', DATABASE_URL: cluster.databaseUrl };
      const server = await ServerProcess.start({ env, ready: false });
      await delay(ms);
      server.kill('SIGTERM');
      const exit = await within(30_000, 'the server to end', server.exited);
      await server.stop();

      // Before it listens to signals, a process ends by them.
      expect([0, 'SIGTERM']).toContain(exit.code ?? exit.signal);
      expect(server.stderr).toBe('');
    },
  );

  it('refuse a port that another server has', async () => {
    const { port } = cluster.nodes[0]!.server;
    const env = { WORKERS: '2', DATABASE_URL: cluster.databaseUrl, PORT: String(port) };
    const server = await ServerProcess.start({ env, ready: false });
    const exit = await within(30_000, 'the server to end', server.exited);
    await server.stop();

    expect(exit.code).toBe(1);
    expect(server.stderr).toBe(
      `Agentline cannot start: PORT ${port} is in use. Stop what uses it, or set another PORT.\n`,
    );
  });

  it('are refused with the database in a folder, which belongs to one process', async () => {
    const server = await ServerProcess.start({ env: { WORKERS: '2' }, ready: false });
    const exit = await within(30_000, 'the server to end', server.exited);
    await server.stop();

    expect(exit.code).toBe(1);
    expect(server.stderr).toBe(
      'Agentline cannot start: WORKERS is 2, but the database in a folder belongs to one process: set DATABASE_URL, or leave WORKERS out.\n',
    );
  });
});
