import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';
import type { Run } from '../run.js';
import { ChildRunRepository } from './child-run.repository.js';

onEachDatabase('runs of sub-agents', (open) => {
  let bench: RunBench;
  let children: ChildRunRepository;

  beforeEach(async () => {
    bench = new RunBench(await open());
    children = new ChildRunRepository(bench.database);
  });
  afterEach(() => bench.database.close());

  async function childOf(parent: Run, callId: string, agent?: string): Promise<Run> {
    const session = await bench.sessions.create(ADA, { parentRunId: parent.id });
    return bench.database.transaction((trx) =>
      bench.starter.enqueue(trx, {
        sessionId: session.id,
        principal: ADA,
        model: 'scripted',
        onDisconnect: 'continue',
        content: [{ type: 'text', text: 'task' }],
        parent: { runId: parent.id, callId },
        rootRunId: parent.rootRunId,
        ...(agent === undefined ? {} : { agent }),
      }),
    );
  }

  const lock = (run: Run) => bench.database.transaction((trx) => children.lockParent(trx, run));

  it('are found by the call that started them, of which there is one only', async () => {
    const parent = await bench.begin();
    const child = await childOf(parent, 'toolu_1');
    const other = await childOf(parent, 'toolu_1.second');
    expect(await children.find(parent, 'toolu_1')).toEqual(child);
    expect(child).toMatchObject({ parent: { runId: parent.id, callId: 'toolu_1' }, rootRunId: parent.id });
    expect((await children.list(parent)).map(({ id }) => id)).toEqual([child.id, other.id]);
    expect(await children.find(parent, 'toolu_2')).toBeUndefined();
    await expect(childOf(parent, 'toolu_1')).rejects.toThrow();
    expect(await children.count(bench.database.kysely, parent)).toBe(2);
  });

  it('are as deep as there are runs above them, and their sessions lie below that of the first', async () => {
    const top = await bench.begin();
    const middle = await childOf(top, 'a', 'explore');
    const low = await childOf(middle, 'b');
    const depths = await Promise.all([top, middle, low].map((run) => children.depth(run)));
    expect(depths).toEqual([0, 1, 2]);
    expect(low.rootRunId).toBe(top.id);
    expect(await children.agentsAbove(low)).toEqual(['explore', null]);
    const below = await children.sessionsBelow(top.sessionId);
    expect(below.toSorted()).toEqual([middle.sessionId, low.sessionId].toSorted());
    expect(await children.sessionsBelow(low.sessionId)).toEqual([]);
  });

  it('are open until they end', async () => {
    const parent = await bench.begin();
    const [one, two] = [await childOf(parent, 'a'), await childOf(parent, 'b')];
    await bench.runs.settle(one, {
      status: 'completed',
      stopReason: 'end_turn',
      errorCode: null,
      usage: one.usage,
      cost: one.cost,
      lastEventId: `${one.id}.1.1`,
    });
    expect((await children.listOpen(parent)).map(({ id }) => id)).toEqual([two.id]);
  });

  it('may be started by the attempt that works, and not when its run is over or shall end', async () => {
    const parent = await bench.begin();
    expect(await lock(parent)).toBe(true);
    const next = await bench.takeOver(parent);
    expect([await lock(parent), await lock(next)]).toEqual([false, true]);
    await bench.runs.requestCancel(parent);
    expect(await lock(next)).toBe(false);
  });

  it('go with the session from which they were started', async () => {
    const top = await bench.begin();
    const low = await childOf(await childOf(top, 'a'), 'b');
    const stays = await bench.begin();
    await bench.starter.remove(ADA, top.sessionId);
    const left = async (table: 'sessions' | 'runs' | 'messages') =>
      (await bench.database.acrossTenants().selectFrom(table).select('id').execute()).length;
    expect([await left('sessions'), await left('runs'), await left('messages')]).toEqual([1, 1, 1]);
    expect(await bench.sessions.find(ADA, low.sessionId)).toBeUndefined();
    expect(await bench.find(stays.id)).toMatchObject({ id: stays.id });
  });
});
