import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf, faultsOf, textOf, toolFaultsOf } from './support/event-list.js';
import { FakeUpstream, type Reply, type UpstreamCall } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  // Room for two runs only: what a run waits for must not wait for room itself.
  app = await startApp({ ...upstreamEnv(upstream.url), MAX_ACTIVE_RUNS: '2' });
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(() => upstream.forget());

interface WireBlock {
  type: string;
  text?: string;
}

/** What the run of this call was asked first, and how many tool results came back to it. */
function stateOf({ body }: UpstreamCall): { task: string; results: number } {
  const blocks = body.messages.map(({ content }) =>
    typeof content === 'string' ? [{ type: 'text', text: content }] : (content as unknown as WireBlock[]),
  );
  return {
    task: String(blocks[0]?.find(({ type }) => type === 'text')?.text),
    results: blocks.flat().filter(({ type }) => type === 'tool_result').length,
  };
}

/** Answers each run by its task; `calls` are the sub-agents that the task of that name starts. */
function script(plan: Record<string, { calls?: Record<string, unknown>[]; reply?: Reply }>): void {
  upstream.answer((call) => {
    const { task, results } = stateOf(call);
    const { calls = [], reply } = plan[task] ?? {};
    if (results > 0 || calls.length === 0) return reply ?? { sse: textReply([`Report on ${task}.`]) };
    const uses = calls.map((input, n) => ({
      id: `toolu_${task}_${n}`.replaceAll(' ', '_'),
      name: 'task',
      input,
    }));
    return { sse: toolReply([], uses) };
  });
}

async function childrenOf(run: RunBody): Promise<(RunBody & { agent: string; parent: object })[]> {
  const path = `/api/agent/runs/${run.id}/sub_agents`;
  return expectStatus(
    await ada.call<{ data: (RunBody & { agent: string; parent: object })[] }>('GET', path),
    200,
  ).body.data;
}

/** Calls of the model for this task that are not closed yet. */
const openCalls = (task: string) =>
  upstream.calls.filter((call) => stateOf(call).task === task && call.closedAt === undefined);

describe('a sub-agent', () => {
  it('has a run, a log and a session of its own, which its owner follows while it works', async () => {
    script({
      parent: { calls: [{ prompt: 'child', agent: 'explore', description: 'looking' }] },
      child: { reply: { sse: textReply(['Found ', 'it.']), paceMs: 20 } },
    });
    const session = await ada.createSession();
    const run = await ada.post(session, 'parent');
    const [child] = await until('the child', async () => {
      const found = await childrenOf(run);
      return found.length > 0 ? found : undefined;
    });
    const { events } = await ada.read({ session_id: child!.session_id, run_id: child!.id });
    const { events: parentEvents } = await ada.read({ session_id: session });

    expect([faultsOf(events), textOf(events)]).toEqual([[], 'Found it.']);
    expect(child).toMatchObject({
      agent: 'explore',
      parent: { run_id: run.id, tool_call_id: 'toolu_parent_0' },
    });
    expect(dataOf(parentEvents.find(({ event }) => event === 'tool_result'))).toMatchObject({
      name: 'task',
      is_error: false,
      result: { run_id: child!.id, status: 'completed', text: 'Found it.' },
    });
    expect([faultsOf(parentEvents), toolFaultsOf(parentEvents)]).toEqual([[], []]);
    expect(textOf(parentEvents)).toBe('Report on parent.');
    const listed = await ada.call<{ data: { id: string }[] }>('GET', '/api/agent/sessions');
    expect(listed.body.data.map(({ id }) => id)).not.toContain(child!.session_id);
    expect((await ada.call('GET', `/api/agent/sessions/${child!.session_id}`)).body).toMatchObject({
      title: 'looking',
      agent: 'explore',
      parent_run_id: run.id,
    });
    const eve = await Api.as(app.url, 'eve');
    expect((await eve.call('GET', `/api/agent/runs/${child!.id}`)).status).toBe(404);
    expect((await eve.call('GET', `/api/agent/runs/${run.id}/sub_agents`)).status).toBe(404);
    expect(upstream.complaints).toEqual([]);
  });

  it('may be one of twenty in one answer: each reports once, in the order of the calls', async () => {
    const tasks = Array.from({ length: 20 }, (_, n) => `part ${n}`);
    script({ parent: { calls: tasks.map((prompt) => ({ prompt })) } });
    const session = await ada.createSession();
    const run = await ada.post(session, 'parent');
    expect((await ada.settled(run.id, 30_000)).status).toBe('completed');

    const last = upstream.calls.at(-1)!.body.messages.at(-1)!.content as unknown as { content: string }[];
    expect(last.map(({ content }) => (JSON.parse(content) as { text: string }).text)).toEqual(
      tasks.map((task) => `Report on ${task}.`),
    );
    const children = await childrenOf(run);
    expect(new Set(children.map(({ session_id }) => session_id)).size).toBe(20);
    expect(children.every(({ status }) => status === 'completed')).toBe(true);
    const { events } = await ada.read({ session_id: session });
    expect([faultsOf(events), toolFaultsOf(events), upstream.complaints]).toEqual([[], [], []]);
  }, 40_000);

  it('may start others, but none below the second level', async () => {
    script({
      top: { calls: [{ prompt: 'middle' }] },
      middle: { calls: [{ prompt: 'low' }] },
      low: { calls: [{ prompt: 'too low' }] },
    });
    const session = await ada.createSession();
    const run = await ada.post(session, 'top');
    expect((await ada.settled(run.id)).status).toBe('completed');
    const [middle] = await childrenOf(run);
    const [low] = await childrenOf(middle!);
    expect(await childrenOf(low!)).toEqual([]);
    const { events } = await ada.read({ session_id: low!.session_id });
    expect(dataOf(events.find(({ event }) => event === 'tool_result'))).toMatchObject({
      is_error: true,
      result: 'Agents are nested 2 deep at most: do this task yourself.',
    });
    expectStatus(await ada.call('DELETE', `/api/agent/sessions/${session}`), 204);
    for (const { session_id: id } of [middle!, low!])
      expect((await ada.call('GET', `/api/agent/sessions/${id}`)).status).toBe(404);
  });

  it('that fails is told to the one who asked, with its reason', async () => {
    script({
      parent: { calls: [{ prompt: 'child' }, { prompt: 'x', agent: 'nobody' }] },
      child: {
        reply: {
          status: 400,
          json: { type: 'error', error: { type: 'invalid_request_error', message: 'no' } },
        },
      },
    });
    const session = await ada.createSession();
    const run = await ada.settled((await ada.post(session, 'parent')).id);
    const { events } = await ada.read({ session_id: session });
    const results = events.filter(({ event }) => event === 'tool_result').map((event) => dataOf(event));
    expect(run.status).toBe('completed');
    expect(results.map(({ is_error }) => is_error)).toEqual([true, true]);
    const told = new Map(results.map(({ id, result }) => [id, result]));
    expect(told.get('toolu_parent_0')).toMatch(/^The agent failed: .+ \(run_\w+\)$/);
    expect(told.get('toolu_parent_1')).toMatch(/^There is no agent "nobody" here\. Known: /);
  });
});

describe('a cancel', () => {
  it('of the parent ends its children first, down to the last, and closes their calls of the model', async () => {
    script({
      parent: { calls: [{ prompt: 'child' }, { prompt: 'other' }] },
      child: { calls: [{ prompt: 'grandchild' }] },
      grandchild: { reply: { sse: textReply(['never', 'whole']), stallAfterPieces: 3 } },
      other: { reply: { sse: textReply(['never', 'whole']), stallAfterPieces: 3 } },
    });
    const session = await ada.createSession();
    const run = await ada.post(session, 'parent');
    await until(
      'both to speak',
      () => openCalls('grandchild').length === 1 && openCalls('other').length === 1,
    );
    const { body: receipt } = expectStatus(await ada.cancel(run.id), 200);

    expect(receipt.status).toBe('cancelled');
    expect(receipt.tool_calls.map(({ name, state }) => [name, state])).toEqual([
      ['task', 'cancelled'],
      ['task', 'cancelled'],
    ]);
    expect([...openCalls('grandchild'), ...openCalls('other')]).toEqual([]);
    const children = await childrenOf(run);
    const all = [...children, ...(await childrenOf(children[0]!)), ...(await childrenOf(children[1]!))];
    expect(all.map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    for (const { id, session_id } of [{ id: run.id, session_id: session }, ...all]) {
      const { events } = await ada.read({ session_id, run_id: id });
      expect([faultsOf(events), toolFaultsOf(events)]).toEqual([[], []]);
    }
    script({});
    expect((await ada.settled((await ada.post(session, 'and now?')).id)).status).toBe('completed');
    expect(upstream.complaints).toEqual([]);
  });

  it('of the child alone leaves its parent to go on', async () => {
    script({
      parent: { calls: [{ prompt: 'child' }] },
      child: { reply: { sse: textReply(['never', 'whole']), stallAfterPieces: 3 } },
    });
    const session = await ada.createSession();
    const run = await ada.post(session, 'parent');
    await until('the child to speak', () => openCalls('child').length === 1);
    const [child] = await childrenOf(run);
    expect((await ada.cancel(child!.id)).body.status).toBe('cancelled');
    expect((await ada.settled(run.id)).status).toBe('completed');
    const { events } = await ada.read({ session_id: session });
    expect(dataOf(events.find(({ event }) => event === 'tool_result'))).toMatchObject({
      is_error: true,
      result: expect.stringMatching(/^The agent was cancelled\. \(run_\w+\)/),
    });
  });
});
