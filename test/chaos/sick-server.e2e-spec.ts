import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText, toolCallId, type Turn } from '../support/cluster/plan.js';
import { describeWith } from '../support/cluster/stores.js';
import type { Viewer } from '../support/cluster/viewer.js';
import { dataOf, placeOf, textOf, type ViewedEvent } from '../support/event-list.js';
import { until, within } from '../support/until.js';

const LEASE_MS = 3_000;
const GRACE_MS = 1_500;
const OTHERS: Turn[] = [
  ...Array.from({ length: 10 }, () => ({ words: 8, paceMs: 20, tool: 'take_effect' })),
  { words: 3 },
];

const smallFirst = (node: number) => (node === 0 ? ['--max-old-space-size=160'] : []);

describeWith(['sql'], 'a server that a tool makes sick', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    const env = { LEASE_MS: String(LEASE_MS), SHUTDOWN_GRACE_MS: String(GRACE_MS) };
    cluster = await Cluster.start({ log: 'sql', script: byPlan, nodes: 2, env, flags: smallFirst });
  });
  afterEach(async () => {
    cluster.effects.onEach(() => undefined);
    if (!(await cluster.nodes[0]!.server.isReady())) await cluster.nodes[0]!.restart();
  });
  afterAll(() => cluster?.stop());

  /** The run whose tool does it, on server 0, and a run beside it on each server; all watched from server 1. */
  async function begin(name: string, tool: string, input: unknown = {}) {
    const plan = [{ words: 3, tool, input }, { words: 3 }];
    const targets = await Promise.all([
      cluster.begin(asking(name, plan), 0),
      cluster.begin(asking(`${name}-beside`, OTHERS), 0),
      cluster.begin(asking(`${name}-elsewhere`, OTHERS), 1),
    ]);
    const [sick, beside, elsewhere] = targets.map((target) => cluster.watch(target, 1));
    const atWork = () => cluster.effects.of(toolCallId(targets[0].content, 0)).length > 0;
    await until('the tool to be at work', atWork, 20_000);
    return { sick: sick!, beside: beside!, elsewhere: elsewhere!, all: [sick!, beside!, elsewhere!] };
  }

  async function expectUnharmed(viewers: Viewer[]): Promise<void> {
    await cluster.overAll(viewers, 60_000);
    expect(await faultsIn(cluster, { targets: viewers.map(({ target }) => target), viewers })).toEqual([]);
    for (const { events, target } of viewers) expect(textOf(events)).toBe(plannedText(target.content));
  }

  it('row 7: one that hears no abort: SIGTERM ends it after the grace, and the outcome is unknown', async () => {
    const held = Promise.withResolvers<void>();
    cluster.effects.onEach(({ tool }) => (tool === 'ignore_abort' ? held.promise : undefined));
    const { sick, all } = await begin('deaf', 'ignore_abort');
    const signalled = performance.now();
    const exit = await within(GRACE_MS + 20_000, 'the server to end', cluster.nodes[0]!.terminate());
    const tookMs = performance.now() - signalled;
    await cluster.nodes[0]!.restart();
    await expectUnharmed(all);

    expect(exit).toEqual({ code: 0, signal: null });
    expect(resultOf(sick.events)).toEqual([true, expect.stringMatching(/^Outcome unknown/)]);
    expect(cluster.effects.of(toolCallId(sick.target.content, 0)).length).toBe(1);
    tell(
      `row 7 (sql): exit 0 ${Math.round(tookMs)} ms after SIGTERM (SHUTDOWN_GRACE_MS=${GRACE_MS}), 0 executions repeated`,
    );
    expect(tookMs).toBeLessThan(GRACE_MS + 2_000);
  });

  it('row 8: one that eats all memory: the process dies alone, and another goes on with its runs', async () => {
    const { sick, elsewhere, all } = await begin('greedy', 'eat_memory');
    const exit = await within(60_000, 'the server to die', cluster.nodes[0]!.server.exited);
    const died = performance.now();
    await cluster.nodes[0]!.restart();
    const readyMs = performance.now() - died;
    await expectUnharmed(all);

    expect(exit.signal === 'SIGABRT' || exit.code === 134).toBe(true);
    expect(attemptsOf(elsewhere.events)).toEqual([1]);
    expect(resultOf(sick.events)).toEqual([true, expect.stringMatching(/^Outcome unknown/)]);
    expect(cluster.nodes[1]!.server.stderr).toBe('');
    const takeover = sick.list.find(({ id }) => placeOf(id).attempt === 2)!.at - died;
    tell(
      `row 8 (sql): out of memory, takeover ${spread([takeover])} (LEASE_MS=${LEASE_MS}), ready again ${Math.round(readyMs)} ms after its start, ` +
        'runs of the other server untouched',
    );
    expect(readyMs).toBeLessThan(10_000);
  });

  it('row 9: one that blocks the event loop for half the lease: nobody takes its runs', async () => {
    const { sick, beside, elsewhere, all } = await begin('block', 'block_loop', {
      milliseconds: LEASE_MS / 2,
    });
    const began = cluster.effects.of(toolCallId(sick.target.content, 0))[0]!.at;
    await until('the tool to end', () => resultOf(sick.events), 30_000);
    const lateMs = sick.list.find(({ event }) => event === 'tool_result')!.at - began - LEASE_MS / 2;
    await expectUnharmed(all);

    for (const { events } of [sick, beside, elsewhere]) expect(attemptsOf(events)).toEqual([1]);
    tell(
      `row 9 (sql): event loop blocked for ${LEASE_MS / 2} ms (LEASE_MS=${LEASE_MS}): 0 takeovers, seen elsewhere ${Math.round(lateMs)} ms after it`,
    );
    expect(lateMs).toBeLessThan(2_000);
  });

  it('row 11: one that forgets a promise, which rejects: the process stays up, other runs notice nothing', async () => {
    const { pid } = cluster.nodes[0]!.server;
    const { beside, elsewhere, all } = await begin('stray', 'stray_rejection');
    await cluster.overAll(all, 60_000);

    expect(await cluster.nodes[0]!.server.isReady()).toBe(true);
    expect(cluster.nodes[0]!.server.pid).toBe(pid);
    await expectUnharmed([beside, elsewhere]);
    for (const { events } of all) expect(attemptsOf(events)).toEqual([1]);
    tell('row 11 (sql): an unhandled rejection of a tool: process up, 0 other runs affected');
  });
});

function resultOf(events: ViewedEvent[]): [boolean, unknown] | undefined {
  const event = events.find((each) => each.event === 'tool_result');
  if (event === undefined) return undefined;
  const { is_error, result } = dataOf(event);
  return [is_error, result];
}

function attemptsOf(events: ViewedEvent[]): number[] {
  return [...new Set(events.map(({ id }) => placeOf(id).attempt))];
}
