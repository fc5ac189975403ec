import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import { RunNode } from '../../test/support/runs/run-node.js';
import { type Beat, saying, ScriptedModel, toolUse } from '../../test/support/runs/scripted-model.js';
import { until } from '../../test/support/until.js';
import type { ModelRequest } from '../model/language-model.js';
import { DecisionsService } from './decisions.service.js';
import { DecisionRepository } from './queue/decision.repository.js';
import type { LeaseRepository } from './queue/lease.repository.js';
import type { Run } from './run.js';

const ROUNDS = 20;
const HOUR = 3_600_000;

function answer({ messages }: ModelRequest): Beat[] {
  const asksForMoney = JSON.stringify(messages[0]).includes('money') && messages.length === 1;
  return asksForMoney ? saying([], [toolUse('a', 'pay', { eur: 5 })]) : saying(['Done.']);
}

onEachDatabase('a run that waits for decisions', (open) => {
  let bench: RunBench;
  let decisions: DecisionRepository;
  let other: LeaseRepository;

  beforeEach(async () => {
    bench = new RunBench(await open());
    decisions = new DecisionRepository(bench.database);
    other = bench.newLeases();
  });
  afterEach(() => bench.database.close());

  const ask = (run: Run, id: string, forMs = HOUR) =>
    bench.ledger.ask(run, { toolCallId: id, name: 'pay', argsHash: 'hash', idempotencyKey: id }, forMs);
  const decide = (run: Run, id: string) =>
    decisions.decide(ADA, run.id, id, { decision: 'approve', reason: null });
  const row = (run: Run) =>
    bench.database
      .acrossTenants()
      .selectFrom('runs')
      .selectAll()
      .where('id', '=', run.id)
      .executeTakeFirstOrThrow();
  const change = (run: Run, values: { watched_until?: number; parked_at?: number; lease_until?: number }) =>
    bench.database.acrossTenants().updateTable('runs').set(values).where('id', '=', run.id).execute();

  async function waiting(ids = ['a'], start: Parameters<RunBench['begin']>[0] = {}): Promise<Run> {
    const run = await bench.begin(start);
    for (const id of ids) await ask(run, id);
    await bench.ledger.park(run);
    return run;
  }

  it('is held by no process, and stays so until all its calls are decided', async () => {
    const run = await waiting(['a', 'b']);
    expect(await row(run)).toMatchObject({ status: 'waiting', lease_until: null });
    expect(await other.claimNext()).toBeUndefined();
    await decide(run, 'a');
    expect(await other.claimNext()).toBeUndefined();

    await decide(run, 'b');

    const taken = await other.claimNext();
    expect(taken).toMatchObject({ id: run.id, status: 'running', attempt: 2 });
    expect(await bench.leases.claimNext()).toBeUndefined();
    expect(await row(run)).toMatchObject({ parked_at: null, wake_at: null, owner: other.holder });
  });

  it('goes on when the first of its calls has expired', async () => {
    const run = await bench.begin();
    await ask(run, 'a', 0);
    await ask(run, 'b');
    await bench.ledger.park(run);

    expect(await other.claimNext()).toMatchObject({ id: run.id, attempt: 2 });
  });

  it('goes on at once when all was decided before it came to wait', async () => {
    const run = await bench.begin();
    await ask(run, 'a');
    await decide(run, 'a');
    expect(await bench.ledger.isDecided(run)).toBe(true);

    await bench.ledger.park(run);

    expect(await other.claimNext()).toMatchObject({ id: run.id, attempt: 2 });
  });

  it('is never left asleep by a decision in the moment in which it comes to wait', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const run = await bench.begin();
      await ask(run, 'a');

      await Promise.all(
        round % 2 === 0
          ? [decide(run, 'a'), bench.ledger.park(run)]
          : [bench.ledger.park(run), decide(run, 'a')],
      );

      expect((await bench.claim()).id).toBe(run.id);
    }
  });

  it('does not use its time up', async () => {
    const run = await waiting();
    const { parked_at: parkedAt } = await row(run);
    await change(run, { parked_at: parkedAt! - HOUR });
    await decide(run, 'a');

    const taken = await bench.claim();

    expect(taken.waitedMs).toBeGreaterThanOrEqual(HOUR);
    expect(taken.waitedMs).toBeLessThan(HOUR + 60_000);
  });

  it('is not taken hold of again by a renewal that was under way', async () => {
    const run = await waiting();

    expect(await bench.leases.renew([run.id])).toEqual([]);

    expect((await row(run)).lease_until).toBeNull();
  });

  it('is ended by any process, and by the next one when that one dies', async () => {
    const run = await waiting();
    await bench.runs.requestCancel(run);

    expect(await other.claimToEnd(run.id)).toMatchObject({ status: 'waiting', attempt: 2 });
    expect(await bench.leases.claimNext()).toBeUndefined();
    await bench.expire(run.id);

    const taken = await bench.leases.claimNext();
    expect(taken).toMatchObject({ id: run.id, attempt: 3 });
    expect(taken?.cancelRequestedAt).not.toBeNull();
  });

  it('that shall end is taken by whoever comes first, should the one who said so be gone', async () => {
    const run = await waiting();
    await bench.runs.requestCancel(run);

    expect(await other.claimNext()).toMatchObject({ id: run.id, cancelRequestedAt: expect.any(Number) });
  });

  it('is ended when it shall end without viewers, and nobody watches it any more', async () => {
    const run = await waiting(['a'], { onDisconnect: 'cancel' });
    expect(await other.claimNext()).toBeUndefined();
    await change(run, { watched_until: 1 });

    const taken = await other.claimNext();

    expect(taken).toMatchObject({ id: run.id, attempt: 2 });
    expect(taken?.cancelRequestedAt).not.toBeNull();
  });

  it('is not taken for left because the only process was away', async () => {
    if (!bench.database.exclusive) return;
    const run = await waiting(['a'], { onDisconnect: 'cancel' });
    await change(run, { watched_until: 1 });

    await bench.leases.releaseDead();

    expect(await other.claimNext()).toBeUndefined();
    expect((await row(run)).status).toBe('waiting');
  });

  it('keeps the next runs of its session in the queue, and takes messages that steer', async () => {
    const run = await waiting();
    const queued = await bench.queue({ sessionId: run.sessionId });
    await bench.leases.offerOwn(queued.id);
    expect(await other.claimNext()).toBeUndefined();

    expect(await bench.inputs.announce(ADA, bench.database.kysely, run.sessionId)).toBe(run.id);

    await decide(run, 'a');
    expect((await bench.claim()).id).toBe(run.id);
  });

  async function waitingOn(node: RunNode): Promise<Run> {
    const run = await node.start({ text: 'money' });
    await until('the run to wait', async () => (await bench.find(run.id)).status === 'waiting');
    await until('its place to be free', () => node.dispatcher.activeRuns === 0);
    return run;
  }

  describe('and the processes', () => {
    let nodes: RunNode[];

    beforeEach(() => {
      bench.addTool('pay', () => 'paid', { approval: 'always' });
      const config = { MAX_ACTIVE_RUNS: 1, RUN_TIMEOUT_MS: 60_000 };
      nodes = [0, 1].map(() => new RunNode(bench, new ScriptedModel(answer), { config }));
    });
    afterEach(() => Promise.all(nodes.map(({ dispatcher }) => dispatcher.drain(0))));

    it('it takes no place in the one that asked, which may go', async () => {
      const [first] = nodes as [RunNode, RunNode];
      const run = await waitingOn(first);

      const other = await first.start({ text: 'talk' });

      expect((await first.ended(other)).at(-1)).toMatch(/done completed/);
      await first.dispatcher.drain(60_000);
      expect((await bench.find(run.id)).status).toBe('waiting');
    });

    it('it goes on in the one where somebody decides, with all of its time', async () => {
      const [first, second] = nodes as [RunNode, RunNode];
      const run = await waitingOn(first);
      const { started_at: startedAt, parked_at: parkedAt } = await row(run);
      await bench.database
        .acrossTenants()
        .updateTable('runs')
        .set({ started_at: startedAt! - HOUR, parked_at: parkedAt! - HOUR })
        .where('id', '=', run.id)
        .execute();
      await first.dispatcher.drain(0);
      const service = new DecisionsService(decisions, second.dispatcher);

      await service.decide(ADA, run.id, 'a', { decision: 'approve', reason: null });

      expect((await second.ended(run)).slice(-3)).toEqual([
        '2.7 tool_result a "paid"',
        '2.8 token Done.',
        expect.stringMatching(/^2\.9 done completed /),
      ]);
      expect(bench.effects).toEqual(['pay a']);
    });

    it('it is cancelled by any of them', async () => {
      const [first, second] = nodes as [RunNode, RunNode];
      const run = await waitingOn(first);

      const receipt = await second.service.cancel(ADA, run.id);

      expect(receipt).toMatchObject({
        status: 'cancelled',
        toolCalls: [{ id: 'a', name: 'pay', state: 'cancelled' }],
      });
      expect(bench.effects).toEqual([]);
    });

    it('what no run can have as its id is not there', async () => {
      const service = new DecisionsService(decisions, nodes[0]!.dispatcher);
      const run = await waitingOn(nodes[0]!);
      for (const [runId, callId] of [
        ['nobody', 'a'],
        [run.id, 'a\0'],
      ] as const)
        await expect(
          service.decide(ADA, runId, callId, { decision: 'approve', reason: null }),
        ).rejects.toMatchObject({ code: 'not_found' });
    });
  });
});
