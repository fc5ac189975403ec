import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { Receipt, RunBody } from '../support/api.js';
import { Cluster } from '../support/cluster/cluster.js';
import { quantile, scale, spread, tell } from '../support/cluster/figures.js';
import { faultsIn, readWhole } from '../support/cluster/invariants.js';
import { askedIn, asking, byPlan } from '../support/cluster/plan.js';
import { onEachLog } from '../support/cluster/stores.js';
import type { Target } from '../support/cluster/viewer.js';
import { dataOf, faultsOf, type ViewedEvent } from '../support/event-list.js';
import { Random } from '../support/random.js';
import { until, within } from '../support/until.js';

/** Runs of one session wait for each other, so each but the first is claimed by whichever server is first. */
const QUEUE = 8;
const POSTS = 100;
const LANES = 5;

onEachLog('three servers that take turns', (log) => {
  // Who owns what is the database's business, whatever the log.
  const CLAIMS = scale('CLAIMS', log === 'sql' ? 150 : 60);
  const CANCELS = scale('CANCELS', log === 'sql' ? 150 : 75);
  let cluster: Cluster;

  beforeAll(async () => {
    // The usual lease: what is seen here is not takeover.
    cluster = await Cluster.start({ log, script: byPlan, env: { LEASE_MS: '10000' } });
  });
  afterAll(() => cluster?.stop());

  it(`row 12: ${CLAIMS} runs that three servers want at once have one owner each`, async () => {
    const plan = [{ words: 1, tool: 'take_effect' }, { words: 1 }];
    const lanes = Array.from({ length: Math.ceil(CLAIMS / QUEUE) }, async (_, lane) => {
      const sessionId = await cluster.insist(lane, (api) => api.createSession());
      return Promise.all(
        Array.from({ length: QUEUE }, async (_, n): Promise<Target> => {
          const content = asking(`claim-${lane}-${n}`, plan);
          const run = await cluster.post(sessionId, content, lane + n);
          return { sessionId, content, runId: run.id };
        }),
      );
    });
    const targets = (await Promise.all(lanes)).flat();
    for (const { runId } of targets) await cluster.api(0).settled(runId, 120_000);

    expect(await faultsIn(cluster, { targets, viewers: [] })).toEqual([]);
    const calls = Map.groupBy(cluster.upstream.calls, (call) => askedIn(call).content);
    const owners = new Set<string>();
    for (const { runId, content } of targets) {
      const own = calls.get(content) ?? [];
      const callers = own.map((call) => `turn ${askedIn(call).turn} from ${cluster.callerOf(call).name}`);
      expect([content, callers]).toEqual([content, [callers[0], callers[0]?.replace('turn 0', 'turn 1')]]);
      expect((await cluster.api(1).run(runId)).attempt).toBe(1);
      owners.add(cluster.callerOf(own[0]!).name);
    }
    // Whoever ends a run of a session is the first to ask for its next, so of so few one server may get all.
    tell(
      `row 12 (${log}): ${targets.length} runs wanted by 3 servers, got by ${owners.size} of them, ${targets.length} single owners, 0 calls of the model doubled`,
    );
  });

  it('row 31: two tabs on two servers see one run, event by event the same', async () => {
    const sessionId = await cluster.api(0).createSession();
    const tabs = await Promise.all([0, 1].map((node) => cluster.api(node).open({ session_id: sessionId })));
    await cluster.post(
      sessionId,
      asking('tabs', [{ words: 30, paceMs: 5, tool: 'take_effect' }, { words: 5 }]),
      2,
    );
    await within(30_000, 'both tabs to see the end', Promise.all(tabs.map(({ ended }) => ended)));

    expect(faultsOf(tabs[0]!.events)).toEqual([]);
    expect(tabs[1]!.events).toEqual(tabs[0]!.events);
    expect(await cluster.api(2).runsOf(sessionId)).toHaveLength(1);
  });

  it(`row 32: ${POSTS} equal POSTs at once make one run; the same key with another body is refused`, async () => {
    const sessionId = await cluster.api(0).createSession();
    const path = `/api/agent/sessions/${sessionId}/messages`;
    const headers = { 'idempotency-key': 'the same for all' };
    const content = asking('equal', [{ words: 3, tool: 'take_effect' }, { words: 3 }]);
    const post = (body: unknown) => (_: unknown, n: number) =>
      cluster.api(n).call<{ run: RunBody; code: string }>('POST', path, body, headers);
    const answers = await Promise.all(Array.from({ length: POSTS }, post({ content })));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    const ids = new Set(answers.map(({ body }) => body.run.id));
    expect(ids.size).toBe(1);
    const others = await Promise.all([0, 1, 2].map((n) => post({ content: 'another' })(undefined, n)));
    expect(others.map(({ status }) => status)).toEqual([422, 422, 422]);
    const [runId = ''] = ids;
    await cluster.api(1).settled(runId);
    expect(await cluster.api(0).runsOf(sessionId)).toHaveLength(1);
    expect(await faultsIn(cluster, { targets: [{ sessionId, runId, content }], viewers: [] })).toEqual([]);
    tell(`row 32 (${log}): ${POSTS} equal POSTs over 3 servers, 1 run; another body: 422`);
  });

  interface Cancelled {
    target: Target;
    receipt: Receipt;
    events: ViewedEvent[];
    /** From the sending of the POST to the close of the model's connection; undefined when it was closed before. */
    closedMs: number | undefined;
    receiptMs: number;
    wasElsewhere: boolean;
  }

  it(`${CANCELS} cancels at random moments, sent to any server: the model stops, a receipt comes, nothing follows but done`, async () => {
    const random = Random.printed(`cancels (${log})`);
    let left = CANCELS;
    const all: Cancelled[] = [];
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        while (left > 0) {
          left -= 1;
          all.push(
            await cancelOne(
              `cancel-${left}`,
              random.between(0, 2),
              random.between(0, 2),
              random.between(0, 500),
            ),
          );
        }
      }),
    );
    const closes = all.flatMap(({ closedMs }) => (closedMs === undefined ? [] : [closedMs]));
    const elsewhere = all.filter(({ wasElsewhere }) => wasElsewhere).length;
    tell(
      `cancel (${log}): ${CANCELS} cancels, ${elsewhere} of them of another server's run, model closed ${spread(closes)}, ` +
        `receipt ${spread(all.map(({ receiptMs }) => receiptMs))}, 0 events after it but done`,
    );
    const targets = all.map(({ target }) => target);
    expect(await faultsIn(cluster, { targets, viewers: [] })).toEqual([]);
    expect(quantile(closes, 0.99)).toBeLessThan(250);
  });

  /** Four turns of words, each with a tool. */
  const CANCELLED = [
    ...Array.from({ length: 4 }, () => ({ words: 8, paceMs: 15, tool: 'take_effect' })),
    { words: 8 },
  ];

  async function cancelOne(name: string, home: number, from: number, afterMs: number): Promise<Cancelled> {
    const target = await cluster.begin(asking(name, CANCELLED), home);
    const viewer = cluster.watch(target, home + 1);
    await delay(afterMs);
    const sent = performance.now();
    const answer = await cluster.api(from).cancel(target.runId);
    const receiptMs = performance.now() - sent;
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
    const receipt = answer.body;
    await within(20_000, 'the viewer to see the end', viewer.over);
    const calls = cluster.callsOf(target.content);
    await until('the model to be left', () => calls.every(({ closedAt }) => closedAt !== undefined));
    expectEnded(await readWhole(cluster.api(from), target), receipt);
    const closedMs = calls.flatMap(({ closedAt }) => (closedAt! > sent ? [closedAt! - sent] : [])).at(-1);
    const wasElsewhere = (await cluster.ownerOf(target.runId)) !== cluster.nodes[from];
    return { target, receipt, events: viewer.events, closedMs, receiptMs, wasElsewhere };
  }
});

function expectEnded(events: ViewedEvent[], receipt: Receipt): void {
  expect(faultsOf(events)).toEqual([]);
  const at = events.findIndex(({ id }) => id === receipt.last_event_id);
  expect([[], ['done']]).toContainEqual(events.slice(at + 1).map(({ event }) => event));
  expect(dataOf(events.at(-1))).toMatchObject({ status: receipt.status, usage: receipt.usage });
  expect(['cancelled', 'completed']).toContain(receipt.status);
}
