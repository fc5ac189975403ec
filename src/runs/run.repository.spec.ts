import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../test/support/databases.js';
import { ADA, RunBench } from '../../test/support/runs/run-bench.js';
import { newId } from '../database/ids.js';
import { NO_USAGE } from '../usage/usage-sum.js';
import { NO_COST } from '../usage/cost.js';
import type { Run, RunEnd } from './run.js';

const USAGE = { ...NO_USAGE, input_tokens: 5, model_calls: 1 };
const ROUNDS = 50;

const ending = (run: Run): RunEnd => ({
  status: 'completed',
  stopReason: 'end_turn',
  errorCode: null,
  usage: USAGE,
  cost: NO_COST,
  lastEventId: `${run.id}.${run.attempt}.9`,
});

const answer = (run: Run, position = 1) => ({
  id: newId('msg'),
  sessionId: run.sessionId,
  runId: run.id,
  runNumber: run.number,
  position,
  role: 'assistant' as const,
  content: [{ type: 'text', text: 'Hi' }],
  hasParts: false,
  stopReason: 'end_turn',
});

onEachDatabase('runs', (open) => {
  let bench: RunBench;

  beforeEach(async () => {
    bench = new RunBench(await open());
  });
  afterEach(() => bench.database.close());

  const roles = async (run: Run) => (await bench.history(run.sessionId)).map(({ role }) => role);

  it('are numbered within their session and begin in the queue, held by their maker', async () => {
    const session = await bench.newSession();
    const before = Date.now();
    const first = await bench.queue({ sessionId: session, onDisconnect: 'cancel' });
    const second = await bench.queue({ sessionId: session });

    expect(first).toEqual({
      id: first.id,
      agent: null,
      parent: null,
      rootRunId: first.id,
      waitedMs: 0,
      cost: NO_COST,
      inputs: 0,
      tenantId: 'default',
      userId: 'usr_ada',
      sessionId: session,
      number: 1,
      status: 'queued',
      attempt: 1,
      leaseUntil: first.leaseUntil,
      cancelRequestedAt: null,
      checkpointSeq: 0,
      model: 'scripted',
      principal: ADA,
      onDisconnect: 'cancel',
      turns: 0,
      usage: NO_USAGE,
      stopReason: null,
      errorCode: null,
      lastEventId: null,
      createdAt: first.createdAt,
      startedAt: null,
      endedAt: null,
    });
    expect(Math.abs(first.createdAt - before)).toBeLessThan(5_000);
    expect(first.leaseUntil! - first.createdAt).toBeGreaterThanOrEqual(9_999);
    expect(second.number).toBe(2);
  });

  it('made at the same moment in one session get numbers of their own', async () => {
    const session = await bench.newSession();

    const runs = await Promise.all(Array.from({ length: 12 }, () => bench.queue({ sessionId: session })));

    expect(runs.map(({ number }) => number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
  });

  it('are found by their owner only', async () => {
    const run = await bench.queue();

    expect((await bench.runs.find(ADA, run.id))?.id).toBe(run.id);
    expect(await bench.runs.find({ ...ADA, userId: 'usr_eve' }, run.id)).toBeUndefined();
    expect(await bench.runs.find({ ...ADA, tenantId: 'other' }, run.id)).toBeUndefined();
  });

  it('are listed newest first, and found by their place in the session', async () => {
    const session = await bench.newSession();
    const first = await bench.begin({ sessionId: session });
    const second = await bench.queue({ sessionId: session });
    const third = await bench.queue({ sessionId: session });
    await bench.queue();
    await bench.runs.settle(first, ending(first));
    const { runs } = bench;

    expect((await runs.list(ADA, session)).map(({ number }) => number)).toEqual([3, 2, 1]);
    expect((await runs.listOpen(ADA, session)).map(({ number }) => number)).toEqual([2, 3]);
    expect((await runs.findLatest(ADA, session))?.id).toBe(third.id);
    expect((await runs.findNext(ADA, session, 0))?.id).toBe(first.id);
    expect((await runs.findNext(ADA, session, 0, 'open'))?.id).toBe(second.id);
    expect(await runs.findNext(ADA, session, 3)).toBeUndefined();
    expect(await runs.findLatest(ADA, await bench.newSession())).toBeUndefined();
  });

  it('keep the first time at which their end was asked for, and none when they are over', async () => {
    const run = await bench.begin();
    await bench.runs.requestCancel(run);
    const { cancelRequestedAt } = await bench.find(run.id);
    await bench.runs.requestCancel(run);
    expect(cancelRequestedAt).not.toBeNull();
    expect((await bench.find(run.id)).cancelRequestedAt).toBe(cancelRequestedAt);

    const other = await bench.begin();
    await bench.runs.settle(other, ending(other));
    await bench.runs.requestCancel(other);
    expect((await bench.find(other.id)).cancelRequestedAt).toBeNull();
  });

  it('move their checkpoint together with the message it belongs to', async () => {
    const run = await bench.begin();

    await bench.runs.checkpoint(run, { seq: 7, turns: 1, usage: USAGE, cost: NO_COST }, (on) =>
      bench.messages.append(ADA, on, answer(run)),
    );

    expect(await bench.find(run.id)).toMatchObject({ checkpointSeq: 7, turns: 1, usage: USAGE });
    expect(await roles(run)).toEqual(['user', 'assistant']);
  });

  it('move nothing when the message cannot be stored', async () => {
    const run = await bench.begin();

    const failing = bench.runs.checkpoint(run, { seq: 7, turns: 1, usage: USAGE, cost: NO_COST }, (on) =>
      bench.messages.append(ADA, on, answer(run, 0)),
    );

    await expect(failing).rejects.toThrow(/unique|constraint/i);
    expect(await bench.find(run.id)).toMatchObject({ checkpointSeq: 0, turns: 0, usage: NO_USAGE });
    expect(await roles(run)).toEqual(['user']);
  });

  it('settle once, with all of their final state, and free the session', async () => {
    const session = await bench.newSession();
    const run = await bench.begin({ sessionId: session });
    const next = await bench.queue({ sessionId: session });

    await bench.runs.settle(run, ending(run));

    const settled = await bench.find(run.id);
    expect(settled).toMatchObject({
      status: 'completed',
      stopReason: 'end_turn',
      errorCode: null,
      usage: USAGE,
      lastEventId: `${run.id}.1.9`,
      leaseUntil: null,
    });
    expect(settled.endedAt).toBeGreaterThanOrEqual(settled.startedAt!);
    expect(await bench.leases.beginOwn(next.id)).toMatchObject({ id: next.id });
  });

  it('take no write of an attempt that is over: no checkpoint, no message, no final state', async () => {
    const stale = await bench.begin();
    await bench.takeOver(stale);

    const checkpoint = bench.runs.checkpoint(stale, { seq: 7, turns: 9, usage: USAGE, cost: NO_COST }, (on) =>
      bench.messages.append(ADA, on, answer(stale)),
    );
    await expect(checkpoint).rejects.toMatchObject({ code: 'fenced' });
    const settle = bench.runs.settle(stale, ending(stale), (on) =>
      bench.messages.withdraw(ADA, on, stale.id),
    );
    await expect(settle).rejects.toMatchObject({ code: 'fenced' });

    expect(await bench.find(stale.id)).toMatchObject({
      status: 'running',
      attempt: 2,
      checkpointSeq: 0,
      turns: 0,
      usage: NO_USAGE,
      lastEventId: null,
    });
    expect(await roles(stale)).toEqual(['user']);
  });

  it('are either checkpointed before they are taken over, where the next owner sees it, or not at all', async () => {
    let run = await bench.begin();
    let stored = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      await bench.expire(run.id);
      const [checkpoint, next] = await Promise.all([
        Promise.allSettled([
          bench.runs.checkpoint(run, { seq: round, turns: round, usage: USAGE, cost: NO_COST }, (on) =>
            bench.messages.append(ADA, on, answer(run, round)),
          ),
        ]),
        bench.claim(),
      ]);

      const isStored = checkpoint[0].status === 'fulfilled';
      if (isStored) stored += 1;
      expect(next.checkpointSeq).toBe(isStored ? round : run.checkpointSeq);
      run = next;
    }
    expect(await roles(run)).toHaveLength(1 + stored);
  });

  it('are deleted with all that belongs to them', async () => {
    const session = await bench.newSession();
    const idempotency = { key: 'k', fingerprint: 'f' };
    const run = await bench.begin({ sessionId: session, idempotency });
    const other = await bench.begin();
    for (const each of [run, other]) {
      await bench.ledger.start(each, { toolCallId: 'a', name: 't', argsHash: 'h', idempotencyKey: 'i' });
    }

    await bench.starter.remove(ADA, session);

    expect(await bench.runs.list(ADA, session)).toEqual([]);
    expect(await bench.history(session)).toEqual([]);
    expect(await bench.sessions.find(ADA, session)).toBeUndefined();
    expect(await bench.ledger.list(run)).toEqual([]);
    expect(await bench.ledger.list(other)).toHaveLength(1);
    expect(await bench.history(other.sessionId)).toHaveLength(1);
    await expect(bench.queue({ idempotency })).resolves.toMatchObject({ status: 'queued' });
  });

  it('cannot be added to a session that is being deleted', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const session = await bench.newSession();

      const [created] = await Promise.allSettled([
        bench.queue({ sessionId: session }),
        bench.starter.remove(ADA, session),
      ]);

      if (created.status === 'rejected') expect(created.reason).toMatchObject({ code: 'not_found' });
      expect(await bench.runs.list(ADA, session)).toEqual([]);
      expect(await bench.history(session)).toEqual([]);
    }
  });
});
