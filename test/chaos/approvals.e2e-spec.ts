import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Answer, RunBody } from '../support/api.js';
import { Cluster } from '../support/cluster/cluster.js';
import { scale, spread, tell } from '../support/cluster/figures.js';
import { faultsIn } from '../support/cluster/invariants.js';
import { asking, byPlan, plannedText, toolCallId } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import type { Target } from '../support/cluster/viewer.js';
import { dataOf, textOf } from '../support/event-list.js';
import { until } from '../support/until.js';

const LEASE_MS = 1_500;
const RUNS = scale('RUNS', 6);
const RACES = scale('RACES', 20);
const PLAN = [{ words: 3, tool: 'take_allowed_effect' }, { words: 3 }];

type Decision = 'approve' | 'deny';

onEachLog('approvals over several servers', (log) => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start({ log, script: byPlan, env: { LEASE_MS: String(LEASE_MS) } });
  });
  afterAll(() => cluster?.stop());

  function decide(
    { runId, content }: Target,
    node: number,
    decision: Decision,
  ): Promise<Answer<{ decision: Decision; code: string }>> {
    const path = `/api/agent/runs/${runId}/tool_calls/${toolCallId(content, 0)}/decision`;
    return cluster.api(node).call('POST', path, { decision, reason: `said to ${node}` });
  }

  async function waiting(name: string, node: number): Promise<Target> {
    const target = await cluster.begin(asking(name, PLAN), node);
    await until('the run to wait', async () => {
      const run: RunBody = await cluster.api(node).run(target.runId);
      return run.status === 'waiting';
    });
    return target;
  }

  it('row 5: the server that asked is killed; decided on another, the call is executed once, and soon seen', async () => {
    const asked = await Promise.all(Array.from({ length: RUNS }, (_, n) => waiting(`row5-${n}`, 0)));
    const viewers = asked.map((target, n) =>
      cluster.watch(target, 1, { transport: n % 2 === 0 ? 'sse' : 'ws' }),
    );
    await until('all to be asked', () =>
      viewers.every(({ list }) => list.some(({ event }) => event === 'approval')),
    );
    await cluster.nodes[0]!.kill();

    const decidedAt: number[] = [];
    for (const target of asked) {
      decidedAt.push(performance.now());
      expect((await decide(target, 2, 'approve')).status).toBe(200);
    }
    await Promise.all([cluster.nodes[0]!.restart(), cluster.overAll(viewers, 60_000)]);

    const seen = viewers.map(
      ({ list }, n) => list.find(({ event }) => event === 'tool_result')!.at - decidedAt[n]!,
    );
    for (const [n, target] of asked.entries()) {
      const { events } = viewers[n]!;
      expect(cluster.effects.of(toolCallId(target.content, 0))).toHaveLength(1);
      expect(events.filter(({ event }) => event === 'approval')).toHaveLength(1);
      expect(dataOf(events.find(({ event }) => event === 'tool_result'))).toMatchObject({
        result: { effect: 1 },
      });
      expect(textOf(events)).toBe(plannedText(target.content));
    }
    expect(await faultsIn(cluster, { targets: asked, viewers })).toEqual([]);
    tell(
      `row 5 (${log}): ${RUNS} runs that waited outlived their server, 1 execution each, seen ${spread(seen)}`,
    );
    expect(Math.max(...seen)).toBeLessThan(5_000);
  });

  it('row 49: of an approval and a refusal at once on two servers one stands, and it is what happens', async () => {
    const targets: Target[] = [];
    const won = { approve: 0, deny: 0 };
    for (let race = 0; race < RACES; race += 1) {
      const target = await waiting(`row49-${race}`, race);
      targets.push(target);
      const [one, other]: [Decision, Decision] = race % 2 === 0 ? ['approve', 'deny'] : ['deny', 'approve'];

      const answers = await Promise.all([decide(target, race, one), decide(target, race + 1, other)]);

      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
      expect(answers.find(({ status }) => status === 409)!.body.code).toBe('conflict');
      const { decision } = answers.find(({ status }) => status === 200)!.body;
      won[decision] += 1;
      expect((await cluster.api(race + 2).settled(target.runId)).status).toBe('completed');
      const executions = cluster.effects.of(toolCallId(target.content, 0)).length;
      expect([decision, executions]).toEqual([decision, decision === 'approve' ? 1 : 0]);
      expect((await decide(target, race + 2, decision)).status).toBe(200);
    }
    expect(await faultsIn(cluster, { targets, viewers: [] })).toEqual([]);
    tell(
      `row 49 (${log}): ${RACES} races on two servers, one 200 and one 409 each; ` +
        `${won.approve} approved and executed once, ${won.deny} denied and not executed`,
    );
  });
});
