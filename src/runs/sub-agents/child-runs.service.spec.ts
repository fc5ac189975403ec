import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { openSqlite } from '../../../test/support/databases.js';
import { ADA, RunBench } from '../../../test/support/runs/run-bench.js';
import { Mortal } from '../../../test/support/runs/mortal.js';
import { RunNode } from '../../../test/support/runs/run-node.js';
import {
  type Beat,
  saying,
  ScriptedModel,
  started,
  text,
  toolUse,
  untilAborted,
} from '../../../test/support/runs/scripted-model.js';
import { until } from '../../../test/support/until.js';
import type { ModelRequest } from '../../model/language-model.js';
import type { SubAgentRequest, SubAgentResult, ToolContext } from '../../tools/tool.js';
import type { Run } from '../run.js';
import { RunStop } from '../run-stop.js';

Logger.overrideLogger(false);

let bench: RunBench;

beforeEach(async () => {
  bench = new RunBench(await openSqlite());
});
afterEach(() => bench.database.close());

const never = new AbortController().signal;

/** What was said to the model first. */
function taskOf({ messages }: ModelRequest): string {
  return String(messages[0]?.content[0]?.['text']);
}

function node(script: (task: string) => Beat[], config = {}): RunNode {
  return new RunNode(bench, new ScriptedModel((request) => script(taskOf(request))), { config });
}

/** A run that a person has begun, and that nothing works on: the test calls for it. */
const parentRun = (): Promise<Run> => bench.begin();

function start(
  on: RunNode,
  parent: Run,
  request: Partial<SubAgentRequest> & { callId?: string } = {},
  signal = never,
): Promise<SubAgentResult> {
  const { callId = 'toolu_1', ...rest } = request;
  return on.subAgents.start(parent, callId, { prompt: 'look', ...rest }, signal);
}

async function childOf(parent: Run, callId = 'toolu_1'): Promise<Run> {
  return until(`the child of ${callId}`, () => bench.children.find(parent, callId));
}

const refused = (message: string) => expect.objectContaining({ name: 'ToolError', message });

const waiting = () => node(() => [started, text('Hm'), untilAborted]);

/** A node that stands still in the middle of the child's answer, and knows at last that others have its runs. */
async function leftChild(parent: Run): Promise<{ child: Run; wakeUp: () => Promise<void> }> {
  const gate = Promise.withResolvers<void>();
  const gone = node(() => [started, () => gate.promise, ...saying(['Too late.']).slice(1)]);
  const stop = new AbortController();
  const left = start(gone, parent, {}, stop.signal);
  const child = await childOf(parent);
  await until('the child to begin', async () => (await bench.find(child.id)).status === 'running');
  stop.abort(new RunStop('lost'));
  await expect(left).rejects.toThrow();
  await bench.expire(child.id);
  const wakeUp = async () => {
    gate.resolve();
    await until('the lost run to end there', () => gone.dispatcher.activeRuns === 0);
  };
  return { child, wakeUp };
}

describe('a sub-agent', () => {
  it('works in a session of its own, as its parent’s owner, and reports what it said last', async () => {
    const parent = await parentRun();
    const result = await start(
      node(() => saying(['All ', 'clear.'])),
      parent,
      {
        prompt: 'Look\u0000 around\nand tell',
        agent: 'explore',
      },
    );
    const child = await childOf(parent);

    expect(result).toEqual({ runId: child.id, status: 'completed', text: 'All clear.' });
    expect(child).toMatchObject({
      agent: 'explore',
      principal: ADA,
      model: parent.model,
      status: 'completed',
      parent: { runId: parent.id, callId: 'toolu_1' },
      rootRunId: parent.id,
    });
    expect(child.sessionId).not.toBe(parent.sessionId);
    expect(await bench.sessions.find(ADA, child.sessionId)).toMatchObject({
      title: 'Look around',
      agent: 'explore',
      parentRunId: parent.id,
    });
    expect(await bench.lines(child)).toEqual([
      '1.1 run queued',
      '1.2 run running',
      '1.3 token All ',
      '1.4 token clear.',
      expect.stringMatching(/^1\.5 done completed end_turn /),
    ]);
  });

  it('is general when nobody is named, with the model of its profile before that of its parent', async () => {
    const parent = await parentRun();
    bench.agents.register({ name: 'cheap', description: 'Cheap.', model: 'small' }, 'a test');
    const on = node(() => saying(['ok']));
    await start(on, parent);
    await start(on, parent, { callId: 'toolu_2', agent: 'cheap' });
    expect((await childOf(parent)).agent).toBe('general');
    expect((await childOf(parent, 'toolu_2')).model).toBe('small');
  });

  it('is the same one for the same call, also when it is over, and another for another key', async () => {
    const parent = await parentRun();
    const on = node(() => saying(['ok']));
    const results = await Promise.all([start(on, parent), start(on, parent)]);
    const again = await start(on, parent);
    const other = await start(on, parent, { key: 'second' });
    expect(new Set([...results, again].map(({ runId }) => runId)).size).toBe(1);
    expect(other.runId).not.toBe(again.runId);
    expect((await childOf(parent, 'toolu_1.second')).id).toBe(other.runId);
  });

  it('that fails says why', async () => {
    const parent = await parentRun();
    const result = await start(
      node(() => [started, text('Half'), new Error('boom')]),
      parent,
    );
    expect(result).toMatchObject({
      status: 'failed',
      error: 'The server failed while it worked on this run.',
    });
  });

  it('begins also where there is no room left for runs', async () => {
    const on = node((task) => (task === 'busy' ? [untilAborted] : saying(['ok'])), { MAX_ACTIVE_RUNS: 1 });
    const parent = await on.start({ text: 'busy' });
    expect(on.dispatcher.activeRuns).toBe(1);
    expect((await start(on, await bench.find(parent.id))).status).toBe('completed');
    await on.service.cancel(ADA, parent.id);
  });

  it('is refused below the deepest level, beyond the greatest number, and for an agent that is not there', async () => {
    const parent = await parentRun();
    const on = node(() => saying(['ok']), { MAX_AGENT_DEPTH: 1, MAX_SUB_AGENTS: 2 });
    await start(on, parent);
    const child = await childOf(parent);
    await bench.database
      .acrossTenants()
      .updateTable('runs')
      .set({ status: 'running' })
      .where('id', '=', child.id)
      .execute();
    await expect(start(on, child)).rejects.toEqual(
      refused('Agents are nested 1 deep at most: do this task yourself.'),
    );
    await start(on, parent, { callId: 'toolu_2' });
    await expect(start(on, parent, { callId: 'toolu_3' })).rejects.toEqual(
      refused('A run has 2 sub-agents at most: do what is left yourself.'),
    );
    await expect(start(on, parent, { callId: 'toolu_4', agent: 'nobody' })).rejects.toEqual(
      refused('There is no agent "nobody" here. Known: build, explore, general, plan.'),
    );
    expect(await bench.children.list(parent)).toHaveLength(2);
  });

  it('is not started by a run that is over, or by an attempt that another one has followed', async () => {
    const parent = await parentRun();
    const on = node(() => saying(['ok']));
    await bench.takeOver(parent);
    await expect(start(on, parent)).rejects.toThrow('The run is ending: no sub-agent was started.');
    expect(await bench.children.list(parent)).toEqual([]);
  });
});

describe('a parent that goes', () => {
  it.each([
    ['is cancelled', new RunStop('cancel')],
    ['has used its time', new RunStop('timeout')],
    ['calls with a tool whose time is up', new DOMException('The time is up', 'TimeoutError')],
  ])('and %s has its child ended first', async (_what, reason) => {
    const parent = await parentRun();
    const stop = new AbortController();
    const on = waiting();
    const asked = start(on, parent, {}, stop.signal);
    const child = await childOf(parent);
    await until('the child to speak', async () =>
      (await bench.lines(child)).some((line) => line.includes('Hm')),
    );
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect((await bench.find(child.id)).status).toBe('cancelled');
    expect((await bench.lines(child)).at(-1)).toMatch(/done cancelled/);
  });

  it.each([
    ['moves', new RunStop('shutdown')],
    ['is lost', new RunStop('lost')],
  ])('and %s leaves its child to who comes next, who finds it', async (_what, reason) => {
    const parent = await parentRun();
    const stop = new AbortController();
    const gate = Promise.withResolvers<void>();
    const on = node(() => [started, () => gate.promise, ...saying(['Late.']).slice(1)]);
    const asked = start(on, parent, {}, stop.signal);
    const child = await childOf(parent);
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect((await bench.find(child.id)).status).not.toBe('cancelled');
    const next = await bench.takeOver(parent);
    const again = start(
      node(() => []),
      next,
    );
    gate.resolve();
    expect(await again).toEqual({ runId: child.id, status: 'completed', text: 'Late.' });
  });

  it('takes all along that is still open when it ends', async () => {
    const parent = await parentRun();
    const on = waiting();
    const asked = ['a', 'b'].map((callId) => start(on, parent, { callId }));
    for (const callId of ['a', 'b']) await childOf(parent, callId);
    const settled = Promise.allSettled(asked);
    await on.subAgents.endAll(parent);
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await bench.children.list(parent)).map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
    ]);
    await on.subAgents.endAll(parent);
  });
});

describe('a child whose process died', () => {
  it('is taken up by the process in which its parent waits, though that has no room', async () => {
    const on = node((task) => (task === 'busy' ? [untilAborted] : saying(['Done after all.'])), {
      MAX_ACTIVE_RUNS: 1,
    });
    const parent = await on.start({ text: 'busy' });
    const { child, wakeUp } = await leftChild(await bench.find(parent.id));
    expect(await start(on, await bench.find(parent.id))).toEqual({
      runId: child.id,
      status: 'completed',
      text: 'Done after all.',
    });
    await wakeUp();
    expect(await bench.find(child.id)).toMatchObject({ attempt: 2, status: 'completed' });
    expect(await bench.children.list(parent)).toHaveLength(1);
    await on.service.cancel(ADA, parent.id);
  });

  it('is ended with a parent that no process holds', async () => {
    const parent = await parentRun();
    const { child, wakeUp } = await leftChild(parent);
    await bench.expire(parent.id);
    expect((await node(() => []).service.cancel(ADA, parent.id)).status).toBe('cancelled');
    expect((await bench.find(child.id)).status).toBe('cancelled');
    await wakeUp();
    expect((await bench.lines(child)).at(-1)).toMatch(/done cancelled/);
  });
});

const script = (request: ModelRequest): Beat[] => {
  if (taskOf(request) === 'child') return saying(['Found.']);
  return request.messages.length > 1 ? saying(['Thanks.']) : saying([], [toolUse('toolu_1', 'ask')]);
};

/** Whole runs: what a process leaves behind is found by the next one, at whichever write it stood still. */
describe('a run whose tool has a sub-agent', () => {
  beforeEach(() => {
    bench.addTool('ask', (_args, { startAgent }) => startAgent({ prompt: 'child' }), { idempotent: true });
  });

  it.each([
    ['a tool whose time is over', (context: ToolContext) => context.startAgent({ prompt: 'child' })],
    [
      'a tool that did not wait for it',
      (context: ToolContext) => void context.startAgent({ prompt: 'child' }),
    ],
  ])('ends it before itself when it was started by %s', async (_what, begin) => {
    const model = new ScriptedModel((request) => {
      if (taskOf(request) === 'child') return [started, text('Hm'), untilAborted];
      return request.messages.length > 1 ? saying(['Enough.']) : saying([], [toolUse('toolu_1', 'hasty')]);
    });
    bench.addTool('hasty', (_args, context) => begin(context), { timeoutMs: 300 });
    const on = new RunNode(bench, model);
    const parent = await on.start();
    expect((await on.ended(parent)).at(-1)).toMatch(/done completed/);
    expect((await bench.children.list(parent)).map(({ status }) => status)).toEqual(['cancelled']);
    expect(model.connections).toBe(0);
  });

  it('has it ask a person for what it would have to ask for itself', async () => {
    const careful = { ask: 'never', act: ({ far }: { far?: boolean }) => far === true } as never;
    bench.agents.register({ name: 'careful', description: 'Asks.', approval: careful }, 'a test');
    bench.addTool('act');
    const model = new ScriptedModel((request) => {
      if (taskOf(request) !== 'child') return script(request);
      const calls = [toolUse('toolu_2', 'act', { far: false }), toolUse('toolu_3', 'act', { far: true })];
      return request.messages.length > 1 ? saying(['Acted.']) : saying([], calls);
    });
    const on = new RunNode(bench, model);
    const parent = await on.start({ agent: 'careful' });
    const child = await childOf(parent);
    await until('the child to wait', async () => (await bench.find(child.id)).status === 'waiting');
    const asked = (await bench.lines(child)).filter((line) => line.includes('approval'));
    expect(asked).toEqual([expect.stringContaining('toolu_3')]);
    expect(bench.effects.filter((effect) => effect.startsWith('act'))).toEqual(['act toolu_2']);
    await on.service.cancel(ADA, parent.id);
    expect((await bench.find(child.id)).status).toBe('cancelled');
  });

  it('goes on with it while its process shuts down, as with every step that is begun', async () => {
    const gate = Promise.withResolvers<void>();
    const model = new ScriptedModel((request) => {
      if (taskOf(request) === 'child') return [started, () => gate.promise, ...saying(['Found.']).slice(1)];
      return script(request);
    });
    const on = new RunNode(bench, model);
    const parent = await on.start();
    const child = await childOf(parent);
    await until('the child to begin', () => model.connections === 1 && model.requests.length === 2);
    const drained = on.dispatcher.drain(60_000);
    gate.resolve();
    await drained;
    expect(await bench.find(child.id)).toMatchObject({ status: 'completed', attempt: 1 });
    expect((await bench.find(parent.id)).status).toBe('running');

    const next = new RunNode(bench, model);
    await next.dispatcher.adopt(parent.id);
    expect((await next.ended(parent)).filter((line) => line.includes('tool_result'))).toHaveLength(1);
    expect(await bench.children.list(parent)).toHaveLength(1);
  });

  it('has one child, and one result, wherever its process dies', async () => {
    const model = new ScriptedModel(script);
    const deaths: number[] = [];
    for (let last = 1; ; last += 1) {
      const parent = await bench.begin();
      const on = new RunNode(bench, model);
      const mortal = new Mortal(last, 'hangs');
      const first = bench.attempt(parent, model, {
        between: (writer, dependencies) =>
          mortal.between(writer, { ...dependencies, subAgents: on.subAgents }),
      });
      if ((await Promise.race([first, mortal.died])) === 'over') break;
      deaths.push(last);
      await bench.expire(parent.id);
      const next = new RunNode(bench, model);
      await next.dispatcher.adopt(parent.id);
      await next.ended(parent);
      await until('the end of the run', async () => (await bench.find(parent.id)).status === 'completed');

      const children = await bench.children.list(parent);
      expect(children.map(({ status, attempt }) => [status, attempt])).toEqual([['completed', 1]]);
      const results = (await bench.lines(parent)).filter((line) => line.includes('tool_result'));
      expect(results).toHaveLength(1);
      expect(results[0]).toContain('"text":"Found."');
    }
    expect(deaths.length).toBeGreaterThan(5);
    expect([model.complaints, bench.unexpected]).toEqual([[], []]);
  });
});
