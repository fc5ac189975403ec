import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../src/database/database.js';
import type { ToolContext } from '../src/tools/tool.js';
import { Tool } from '../src/tools/tool.decorator.js';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { blocksOf } from './support/anthropic/strict-anthropic.js';
import { type Answer, Api, expectStatus, type RunBody } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { dataOf, faultsOf, toolFaultsOf, type ViewedEvent } from './support/event-list.js';
import { FakeUpstream, type UpstreamCall } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';

const payment = z.strictObject({ eur: z.number() });
/** What runs are begun with. */
const ASKED = ['please', 'later', 'rather this', 'go on'];
/** Calls that the tools really got. */
const effects: string[] = [];

/** Of the application that was started last. */
let database: Database;

@Injectable()
class PaymentTools {
  constructor(opened: Database) {
    database = opened;
  }

  @Tool({ name: 'pay', description: 'Pays.', input: payment, approval: 'always' })
  pay({ eur }: z.output<typeof payment>, { toolCallId }: ToolContext): string {
    effects.push(`pay ${toolCallId} ${eur}`);
    return 'paid';
  }

  @Tool({ name: 'look', description: 'Looks.', input: z.strictObject({}) })
  look(_input: object, { toolCallId }: ToolContext): string {
    effects.push(`look ${toolCallId}`);
    return 'seen';
  }

  @Tool({
    name: 'refund',
    description: 'Gives back.',
    input: payment,
    approval: async ({ eur }, { userId }) => {
      if (eur < 0) throw new Error('less than nothing');
      return userId !== 'chief' && eur > 100 ? 'always' : 'never';
    },
  })
  refund({ eur }: z.output<typeof payment>, { toolCallId }: ToolContext): string {
    effects.push(`refund ${toolCallId} ${eur}`);
    return 'given back';
  }
}

class AroundApp {}

interface DecisionBody {
  run_id: string;
  tool_call_id: string;
  decision: string;
  reason: string | null;
  decided_at: string;
  code: string;
}

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let calls = 0;

const start = (env: Record<string, string> = {}) =>
  startApp({ ...upstreamEnv(upstream.url), ...env }, (application) => ({
    module: AroundApp,
    imports: [application],
    providers: [PaymentTools],
  }));

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await start();
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(() => {
  effects.length = 0;
  upstream.forget();
});

/** In each run the model calls these tools, then says that it is done. @returns the ids of the first calls. */
function willCall(...tools: [name: string, input: object][]): string[] {
  const uses = tools.map(([name, input]) => ({ id: `toolu_${(calls += 1)}`, name, input }));
  let asked = 0;
  upstream.answer(({ body }: UpstreamCall) => {
    const blocks = body.messages.flatMap(blocksOf);
    const since = blocks.slice(blocks.findLastIndex(({ text }) => ASKED.includes(String(text))));
    if (since.some(({ type }) => type === 'tool_result')) return { sse: textReply(['Done.']) };
    asked += 1;
    return {
      sse: toolReply(
        [],
        uses.map((use) => (asked > 1 ? { ...use, id: `${use.id}_${asked}` } : use)),
      ),
    };
  });
  return uses.map(({ id }) => id);
}

/** A run that has asked for something and waits. */
async function waitingRun(session: string, user = ada): Promise<RunBody> {
  const { id } = await user.post(session, 'please');
  return waits(id, user);
}

/** Until when the run counts as watched, as it is stored. */
function watchedRow(run: RunBody) {
  const rows = database.acrossTenants().selectFrom('runs').select('watched_until').where('id', '=', run.id);
  return rows.executeTakeFirstOrThrow();
}

async function waits(id: string, user = ada): Promise<RunBody> {
  return until('the run to wait', async () => {
    const run = await user.run(id);
    return run.status === 'waiting' ? run : undefined;
  });
}

function decide(run: RunBody, call: string, said: object, user = ada): Promise<Answer<DecisionBody>> {
  return user.call('POST', `/api/agent/runs/${run.id}/tool_calls/${call}/decision`, said);
}

async function listOf(run: RunBody, user = ada): Promise<ViewedEvent[]> {
  const { events } = await user.read({ session_id: run.session_id, run_id: run.id });
  expect(faultsOf(events)).toEqual([]);
  expect(toolFaultsOf(events)).toEqual([]);
  return events;
}

/** Events in a few words each. */
function linesOf(events: ViewedEvent[]): string[] {
  return events.map((event) => {
    const { status, id, text, result, is_error: isError } = dataOf(event);
    switch (event.event) {
      case 'run':
      case 'done':
        return `${event.event} ${status}`;
      case 'token':
        return `token ${text}`;
      case 'tool_result':
        return `tool_result ${id} ${isError ? 'error ' : ''}${JSON.stringify(result)}`;
      default:
        return `${event.event} ${id}`;
    }
  });
}

/** What the model was told of its calls. */
function told(): unknown {
  return blocksOf(upstream.calls.at(-1)!.body.messages.at(-1)!);
}

describe('a call that needs approval', () => {
  it('is shown with its arguments and its end, and is made once it is approved', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);
    expect(effects).toEqual([]);

    const answer = expectStatus(await decide(run, id, { decision: 'approve' }), 200);

    const { decided_at: decidedAt, ...decision } = answer.body;
    expect(decision).toEqual({
      run_id: run.id,
      tool_call_id: id,
      tool: 'pay',
      decision: 'approve',
      reason: null,
    });
    expect(Math.abs(Date.now() - Date.parse(decidedAt))).toBeLessThan(60_000);
    expect((await ada.settled(run.id)).status).toBe('completed');
    const list = await listOf(run);
    expect(linesOf(list)).toEqual([
      'run queued',
      'run running',
      `tool_call ${id}`,
      `approval ${id}`,
      'run waiting',
      'run running',
      `tool_result ${id} "paid"`,
      'token Done.',
      'done completed',
    ]);
    const approval = JSON.parse(list[3]!.data) as { expires_at: string };
    expect(approval).toEqual({ id, name: 'pay', args: { eur: 5 }, expires_at: expect.any(String) });
    const minutes = (Date.parse(approval.expires_at) - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(58);
    expect(minutes).toBeLessThanOrEqual(60);
    expect(effects).toEqual([`pay ${id} 5`]);
    expect(upstream.complaints).toEqual([]);
  });

  it('is not made when it is denied: the model is told why, and goes on', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);

    const answer = await decide(run, id, { decision: 'deny', reason: 'too dear' });

    expect(expectStatus(answer, 200).body).toMatchObject({ decision: 'deny', reason: 'too dear' });
    expect((await ada.settled(run.id)).status).toBe('completed');
    expect(linesOf(await listOf(run)).slice(4)).toEqual([
      'run waiting',
      'run running',
      `tool_result ${id} error "Denied by the user: too dear"`,
      'token Done.',
      'done completed',
    ]);
    expect(told()).toEqual([
      { type: 'tool_result', tool_use_id: id, content: 'Denied by the user: too dear', is_error: true },
    ]);
    expect(effects).toEqual([]);
    expect(upstream.complaints).toEqual([]);
  });

  it('is decided once: the same again is answered alike, another decision and other calls are refused', async () => {
    const session = await ada.createSession();
    const [id = '', free = ''] = willCall(['pay', { eur: 5 }], ['look', {}]);
    const run = await waitingRun(session);
    expect((await decide(run, 'toolu_nobody', { decision: 'approve' })).status).toBe(404);
    expect((await decide(run, 'toolu_%00', { decision: 'approve' })).status).toBe(404);
    expect((await decide(run, free, { decision: 'approve' })).body.code).toBe('conflict');
    expect((await decide(run, id, { decision: 'perhaps' })).status).toBe(400);
    expect((await decide(run, id, { decision: 'approve', args: { eur: 1 } })).status).toBe(400);

    const first = expectStatus(await decide(run, id, { decision: 'deny', reason: 'no' }), 200);

    const again = await decide(run, id, { decision: 'deny', reason: 'no, I said' });
    expect([again.status, again.body]).toEqual([200, first.body]);
    await ada.settled(run.id);
    expect((await decide(run, id, { decision: 'deny' })).body).toEqual(first.body);
    const other = await decide(run, id, { decision: 'approve' });
    expect([other.status, other.body.code]).toEqual([409, 'conflict']);
    expect(effects).toEqual([`look ${free}`]);
  });

  it('is for its owner alone: to others it does not exist', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);
    const eve = await Api.as(app.url, 'eve');
    const foreign = await Api.as(app.url, 'ada', { tenant_id: 'other' });

    const answers = await Promise.all([
      decide(run, id, { decision: 'approve' }, eve),
      decide(run, id, { decision: 'approve' }, foreign),
      decide({ ...run, id: 'run_00000000000000000000000000' }, id, { decision: 'approve' }, eve),
    ]);

    const seen = answers.map(({ status, body }) => [status, { ...body, request_id: '' }]);
    expect(seen[0]![0]).toBe(404);
    expect(seen).toEqual([seen[0], seen[0], seen[0]]);
    expect((await ada.run(run.id)).status).toBe('waiting');
    expect(effects).toEqual([]);
    await ada.cancel(run.id);
  });

  it('does not hold up the others of its answer', async () => {
    const session = await ada.createSession();
    const [pay = '', look = ''] = willCall(['pay', { eur: 7 }], ['look', {}]);
    const run = await waitingRun(session);
    expect(effects).toEqual([`look ${look}`]);

    await decide(run, pay, { decision: 'approve' });

    await ada.settled(run.id);
    const lines = linesOf(await listOf(run));
    expect(lines.slice(0, 4)).toEqual(['run queued', 'run running', `tool_call ${pay}`, `tool_call ${look}`]);
    expect(lines.slice(4, 6).toSorted()).toEqual([`approval ${pay}`, `tool_result ${look} "seen"`]);
    expect(lines.slice(6)).toEqual([
      'run waiting',
      'run running',
      `tool_result ${pay} "paid"`,
      'token Done.',
      'done completed',
    ]);
    expect(told()).toEqual([
      { type: 'tool_result', tool_use_id: pay, content: 'paid' },
      { type: 'tool_result', tool_use_id: look, content: 'seen' },
    ]);
  });

  it('of several waits for the decisions on all', async () => {
    const session = await ada.createSession();
    const [first = '', second = ''] = willCall(['pay', { eur: 1 }], ['pay', { eur: 2 }]);
    const run = await waitingRun(session);
    await decide(run, second, { decision: 'approve' });
    expect((await ada.run(run.id)).status).toBe('waiting');
    expect(effects).toEqual([]);

    await decide(run, first, { decision: 'deny' });

    expect((await ada.settled(run.id)).attempt).toBe(2);
    expect(effects).toEqual([`pay ${second} 2`]);
  });

  it('is cancelled with its run, and nothing can be decided any more', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);

    const receipt = expectStatus(await ada.cancel(run.id), 200).body;

    expect(receipt).toMatchObject({
      status: 'cancelled',
      tool_calls: [{ id, name: 'pay', state: 'cancelled' }],
    });
    const list = await listOf(run);
    expect(list.at(-1)!.id).toBe(receipt.last_event_id);
    expect(linesOf(list).slice(4)).toEqual([
      'run waiting',
      `tool_result ${id} error "Not executed: the run was stopped."`,
      'done cancelled',
    ]);
    expect((await decide(run, id, { decision: 'approve' })).status).toBe(409);
    expect(effects).toEqual([]);
    willCall(['look', {}]);
    const next = await ada.post(session, 'go on');
    expect((await ada.settled(next.id)).status).toBe('completed');
    expect(upstream.complaints).toEqual([]);
  });
});

describe('whether a call needs approval', () => {
  it.each([
    ['ada', 101, 'waiting'],
    ['ada', 100, 'completed'],
    ['chief', 1_000, 'completed'],
    ['chief', -1, 'waiting'],
  ])('may depend on who asks for what: %s, %d', async (user, eur, status) => {
    const api = await Api.as(app.url, user);
    const [id = ''] = willCall(['refund', { eur }]);
    const run = await api.post(await api.createSession(), 'please');

    const settled = await until('the run to end or to wait', async () => {
      const now = await api.run(run.id);
      return ['waiting', 'completed'].includes(now.status) ? now : undefined;
    });

    expect(settled.status).toBe(status);
    expect(effects).toEqual(status === 'waiting' ? [] : [`refund ${id} ${eur}`]);
    await api.cancel(run.id);
  });
});

describe('while a run waits', () => {
  it('viewers stay, leave and come back, and all see the same', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const stays = await ada.open({ session_id: session });
    const socket = await ada.socket();
    const run = await waitingRun(session);
    await socket.ask('subscribe', { run_id: run.id });
    const leaves = await ada.open({ session_id: session });
    await leaves.nextWhere(({ event }) => event === 'approval');
    leaves.cut();
    const cursor = leaves.events.at(-1)!.id;
    const returns = await ada.open({ session_id: session }, { lastEventId: cursor });

    await decide(run, id, { decision: 'approve' });

    await Promise.all([stays.ended, returns.ended]);
    await socket.nextWhere(({ event }) => event === 'done');
    const list = await listOf(run);
    expect(stays.events).toEqual(list);
    expect(socket.events).toEqual(list);
    expect([...leaves.events, ...returns.events]).toEqual(list);
    await socket.close();
  });

  it('a message waits behind it, is refused, joins it, or ends it: as it says', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);
    const path = `/api/agent/sessions/${session}/messages`;

    const refused = await ada.call('POST', path, { content: 'x', when_busy: 'reject' });
    const queued = await ada.post(session, 'later');
    const steered = await ada.post(session, 'and quickly', { when_busy: 'steer' });

    expect([refused.status, refused.body['code']]).toEqual([409, 'session_busy']);
    expect([queued.status, steered.id]).toEqual(['queued', run.id]);
    await decide(run, id, { decision: 'approve' });
    await ada.settled(run.id);
    const texts = upstream.calls.map(({ body }) => JSON.stringify(body.messages.at(-1)));
    expect(texts.some((text) => text.includes('and quickly'))).toBe(true);
    await waits(queued.id);
    const instead = await ada.post(session, 'rather this', { when_busy: 'interrupt' });
    expect((await ada.run(queued.id)).status).toBe('cancelled');
    await waits(instead.id);
    await ada.cancel(instead.id);
    expect(effects).toEqual([`pay ${id} 5`]);
    expect(upstream.complaints).toEqual([]);
  });

  it('it is decided over a socket too, with the same answers', async () => {
    const session = await ada.createSession();
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const run = await waitingRun(session);
    const mine = await ada.socket();
    const eves = await (await Api.as(app.url, 'eve')).socket();
    const said = { run_id: run.id, tool_call_id: id, decision: 'approve' };

    const foreign = await eves.ask('decide', said);
    const first = await mine.ask('decide', said);
    const again = await mine.ask('decide', said);
    const other = await mine.ask('decide', { ...said, decision: 'deny', reason: 'no' });

    expect(foreign).toMatchObject({ event: 'rejected', data: { code: 'not_found' } });
    expect(first).toMatchObject({
      event: 'ack',
      data: { ...said, tool: 'pay', reason: null, decided_at: expect.any(String) },
    });
    expect(again.data).toEqual(first.data);
    expect(other).toMatchObject({ event: 'rejected', data: { code: 'conflict' } });
    await ada.settled(run.id);
    expect(effects).toEqual([`pay ${id} 5`]);
    await Promise.all([mine.close(), eves.close()]);
  });

  it('it is ended when its last viewer has left one that shall not go on alone', async () => {
    const [id = ''] = willCall(['pay', { eur: 5 }]);
    const stream = await ada.open({}, { body: { content: 'please', on_disconnect: 'cancel' } });
    const { data } = (await stream.nextWhere(({ event }) => event === 'run'))!;
    const run = await waits((JSON.parse(data) as { run_id: string }).run_id);
    const runs = () => database.acrossTenants().updateTable('runs').where('id', '=', run.id);
    const inAnHour = Date.now() + 3_600_000;
    await runs().set({ watched_until: inAnHour }).execute();

    stream.cut();
    // The last thing that is said of the viewer, which would bring the time back.
    await until('the viewer to be seen leaving', async () => {
      const { watched_until: time } = await watchedRow(run);
      return time !== null && time < inAnHour;
    });
    // As it is ten seconds later.
    await runs().set({ watched_until: 0 }).where('status', '=', 'waiting').execute();

    expect((await ada.settled(run.id, 30_000)).status).toBe('cancelled');

    expect(linesOf(await listOf(run)).slice(-2)).toEqual([
      `tool_result ${id} error "Not executed: the run was stopped."`,
      'done cancelled',
    ]);
    expect(effects).toEqual([]);
  });
});

describe('a server that gives little time, and asks for more than its tools do', () => {
  let hasty: RunningApp;
  let bob: Api;

  beforeAll(async () => {
    hasty = await start({
      APPROVAL_TIMEOUT_MS: '400',
      APPROVAL_TOOLS: 'lo*, other',
      RUN_TIMEOUT_MS: '2000',
    });
    bob = await Api.as(hasty.url, 'bob');
  });
  afterAll(() => hasty?.stop());

  it('answers a call on which nobody decides, refuses a late decision, and goes on', async () => {
    const [id = ''] = willCall(['look', {}]);
    const run = await bob.post(await bob.createSession(), 'please');

    expect((await bob.settled(run.id)).status).toBe('completed');

    const late = await decide(run, id, { decision: 'approve' }, bob);
    expect([late.status, late.body.code]).toEqual([410, 'approval_expired']);
    expect(linesOf(await listOf(run, bob)).slice(2)).toEqual([
      `tool_call ${id}`,
      `approval ${id}`,
      'run waiting',
      'run running',
      `tool_result ${id} error "Not executed: nobody decided in time whether it may be."`,
      'token Done.',
      'done completed',
    ]);
    expect(effects).toEqual([]);
    expect(upstream.complaints).toEqual([]);
  });
});
