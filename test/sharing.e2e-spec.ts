import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus } from './support/api.js';
import { type RunningApp, startApp } from './support/app.js';
import { textOf } from './support/event-list.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { openSse } from './support/sse-client.js';
import { upstreamEnv } from './support/test-env.js';
import { within } from './support/until.js';

const NOBODYS = 'ses_01h455vb4pex5vsknk084sn02q';

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let bob: Api;
let eve: Api;
let foreignBob: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await startApp(upstreamEnv(upstream.url));
  [ada, bob, eve] = (await Promise.all(
    ['ada', 'bob', 'eve'].map((user) => Api.as(app.url, user, { tenant_id: 'acme' })),
  )) as [Api, Api, Api];
  foreignBob = await Api.as(app.url, 'bob', { tenant_id: 'globex' });
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(() => upstream.forget());

const share = (session: string, audience: unknown, by = ada) =>
  by.call('PUT', `/api/agent/sessions/${session}/shares`, { with: audience });

/** A conversation of Ada's with a run that is over. */
async function talk(audience?: unknown): Promise<{ session: string; run: string }> {
  upstream.answer([{ sse: textReply(['Hello Ada.']) }]);
  const session = await ada.createSession({ title: 'Plans', system: 'Be brief.', metadata: { a: 1 } });
  const { id: run } = await ada.settled((await ada.post(session, 'Hello')).id);
  if (audience !== undefined) expectStatus(await share(session, audience), 200);
  return { session, run };
}

/** What is asked about the conversation, and what only its owner may ask. */
const READS = (session: string, run: string) => [
  `/api/agent/sessions/${session}`,
  `/api/agent/sessions/${session}/messages`,
  `/api/agent/sessions/${session}/runs`,
  `/api/agent/runs/${run}`,
  `/api/agent/runs/${run}/sub_agents`,
  `/api/agent/runs/${run}/diff`,
];
const WRITES = (session: string, run: string): [method: string, path: string, body?: unknown][] => [
  ['PATCH', `/api/agent/sessions/${session}`, { title: 'Mine' }],
  ['DELETE', `/api/agent/sessions/${session}`],
  ['POST', `/api/agent/sessions/${session}/messages`, { content: 'Hello' }],
  ['POST', `/api/agent/sessions/${session}/fork`, {}],
  ['POST', `/api/agent/sessions/${session}/compact`, {}],
  ['GET', `/api/agent/sessions/${session}/shares`],
  ['PUT', `/api/agent/sessions/${session}/shares`, { with: 'tenant' }],
  ['POST', '/api/agent/stream', { session_id: session, content: 'Hello' }],
  ['POST', `/api/agent/runs/${run}/cancel`, {}],
  ['POST', `/api/agent/runs/${run}/revert`, {}],
  ['POST', `/api/agent/runs/${run}/tool_calls/toolu_1/decision`, { decision: 'approve' }],
];

/** One page of the sessions that somebody is told of. */
async function list(by: Api, query: string): Promise<{ ids: string[]; next: string | null }> {
  const answer = await by.call<{ data: { id: string }[]; next_cursor: string | null }>(
    'GET',
    `/api/agent/sessions?${query}`,
  );
  return { ids: answer.body.data.map(({ id }) => id), next: answer.body.next_cursor };
}

describe('a conversation that is shown to a user of the tenant', () => {
  it('is read by that user like by its owner, and changed by nobody else', async () => {
    const { session, run } = await talk(['bob']);
    for (const path of READS(session, run)) {
      const [own, shown] = [await ada.call('GET', path), await bob.call('GET', path)];
      expect([path, own.status, shown.status]).toEqual([path, 200, 200]);
      if (path !== `/api/agent/sessions/${session}`) expect(shown.text).toBe(own.text);
      for (const stranger of [eve, foreignBob])
        expect([path, (await stranger.call('GET', path)).status]).toEqual([path, 404]);
    }
    for (const [method, path, body] of WRITES(session, run)) {
      const shown = await bob.call(method, path, body);
      expect([method, path, shown.status, shown.body['code']]).toEqual([method, path, 403, 'forbidden']);
      for (const stranger of [eve, foreignBob])
        expect([path, (await stranger.call(method, path, body)).status]).toEqual([path, 404]);
    }
    expect(await ada.runsOf(session)).toHaveLength(1);
    expect((await ada.call('GET', `/api/agent/sessions/${session}`)).body).toMatchObject({ title: 'Plans' });
  });

  it('says whose it is, and not how it was set up', async () => {
    const { session } = await talk(['bob']);
    const path = `/api/agent/sessions/${session}`;
    expect((await ada.call('GET', path)).body).toMatchObject({
      access: 'owner',
      owner_id: 'ada',
      system: 'Be brief.',
      metadata: { a: 1 },
    });
    expect((await bob.call('GET', path)).body).toMatchObject({
      access: 'viewer',
      owner_id: 'ada',
      title: 'Plans',
      system: null,
      metadata: {},
    });
  });

  it('is among those that are shared with the user, not among the own ones', async () => {
    const [{ session: first }, { session: second }] = [await talk(['bob', 'cy']), await talk('tenant')];
    const page = await list(bob, 'shared=true&limit=1');
    expect(page.ids).toEqual([second]);
    expect((await list(bob, `shared=true&limit=1&cursor=${page.next}`)).ids).toEqual([first]);
    expect((await list(bob, '')).ids).toEqual([]);
    expect((await list(eve, 'shared=true')).ids).toEqual([second]);
    expect((await list(foreignBob, 'shared=true')).ids).toEqual([]);
    expect((await list(ada, 'shared=true')).ids).toEqual([]);
    expect((await bob.call('GET', '/api/agent/sessions?shared=maybe')).status).toBe(400);
    expectStatus(await share(second, []), 200);
    expect((await list(eve, 'shared=true')).ids).toEqual([]);
  });

  it('is watched by stream, socket and ticket, also from a cursor on', async () => {
    const { session, run } = await talk(['bob']);
    const whole = await ada.read({ session_id: session });
    const cursor = whole.events[0]!.id;
    const queries: Record<string, string>[] = [{ session_id: session }, { session_id: session, run_id: run }];
    for (const query of queries) expect((await bob.read(query)).events).toEqual(whole.events);
    expect((await bob.read({ session_id: session, last_event_id: cursor })).events).toEqual(
      whole.events.slice(1),
    );
    for (const ask of [{ session_id: session }, { run_id: run }]) {
      const socket = await bob.socket();
      expect((await socket.ask('subscribe', ask)).event).toBe('ack');
      await socket.nextWhere(({ event }) => event === 'done');
      expect(socket.events).toEqual(whole.events);
      for (const [event, data] of [
        ['cancel', { run_id: run }],
        ['decide', { run_id: run, tool_call_id: 'toolu_1', decision: 'deny' }],
        ['start', { session_id: session, content: 'Hello' }],
      ] as const) {
        expect((await socket.ask(event, data)).data).toMatchObject({ code: 'forbidden' });
      }
      await socket.close();
    }
    const ticket = await bob.call('POST', '/api/auth/tickets', { session_id: session });
    const query = new URLSearchParams({ session_id: session, ticket: String(ticket.body['ticket']) });
    const stream = await openSse(`${app.url}/api/agent/stream?${query.toString()}`);
    await within(5_000, 'the end', stream.ended);
    expect(stream.events).toEqual(whole.events);
    const socket = await eve.socket();
    expect((await socket.ask('subscribe', { session_id: session })).data).toMatchObject({
      code: 'not_found',
    });
    await socket.close();
    for (const stranger of [eve, foreignBob]) {
      expect((await stranger.open({ session_id: session })).status).toBe(404);
      expect((await stranger.call('POST', '/api/auth/tickets', { session_id: session })).status).toBe(404);
    }
  });

  it('is shown with what its sub-agents do', async () => {
    upstream.answer([
      { sse: toolReply([], [{ id: 'toolu_1', name: 'task', input: { prompt: 'Count to 1.' } }]) },
      { sse: textReply(['One.']) },
      { sse: textReply(['Done.']) },
    ]);
    const session = await ada.createSession();
    const run = (await ada.settled((await ada.post(session, 'Let somebody count.')).id)).id;
    expectStatus(await share(session, ['bob']), 200);
    const path = `/api/agent/runs/${run}/sub_agents`;
    const [child] = (await bob.call<{ data: { id: string; session_id: string }[] }>('GET', path)).body.data;
    for (const [reader, status] of [
      [bob, 200],
      [eve, 404],
      [foreignBob, 404],
    ] as const) {
      expect((await reader.call('GET', `/api/agent/runs/${child!.id}`)).status).toBe(status);
      const messages = `/api/agent/sessions/${child!.session_id}/messages`;
      expect((await reader.call('GET', messages)).status).toBe(status);
    }
    expect(textOf((await bob.read({ session_id: child!.session_id })).events)).toBe('One.');
    expectStatus(await share(session, []), 200);
    expect((await bob.call('GET', `/api/agent/runs/${child!.id}`)).status).toBe(404);
  });

  it('is gone for the viewer once it is not shared any more: open streams end, sockets are told', async () => {
    const { session } = await talk(['bob']);
    const other = await bob.createSession();
    const stream = await bob.open({ session_id: session, follow: 'true' });
    const socket = await bob.socket();
    for (const id of [session, other])
      expect((await socket.ask('subscribe', { session_id: id, follow: true })).event).toBe('ack');
    const own = await ada.open({ session_id: session, follow: 'true' });

    expectStatus(await share(session, ['eve']), 200);

    expect(await within(5_000, 'the end of the stream', stream.ended)).toBe('end');
    const told = await socket.nextWhere(({ event }) => event === 'rejected', 5_000);
    expect(told.data).toEqual({ code: 'not_found', error: 'There is no such session.' });
    // EventSource comes back by itself, and stops at this.
    expect((await bob.open({ session_id: session, follow: 'true' })).status).toBe(404);
    // What else the socket watches goes on, and so do the others.
    upstream.answer([{ sse: textReply(['Hello Bob.']) }, { sse: textReply(['Still here.']) }]);
    await bob.settled((await bob.post(other, 'Hello')).id);
    await socket.nextWhere(({ event }) => event === 'done');
    expect(socket.events.every(({ data }) => !data.includes(session))).toBe(true);
    await ada.settled((await ada.post(session, 'And?')).id);
    await own.nextWhere(({ data }) => data.includes('Still here.'));
    own.cut();
    await socket.close();
  });

  it.each([
    ['a word', 'everybody'],
    ['the sign for everybody', ['*']],
    ['an empty name', ['']],
    ['a name with a line feed', ['bob\n']],
    ['a number', [1]],
    ['more than a hundred', Array.from({ length: 101 }, (_, n) => `usr_${n}`)],
    ['nothing', undefined],
  ])('is not shown to %s', async (_name, audience) => {
    const session = await ada.createSession();
    expect((await share(session, audience)).status).toBe(400);
    expect((await ada.call('GET', `/api/agent/sessions/${session}/shares`)).body).toEqual({ with: [] });
  });

  it('is answered to a stranger like one that does not exist', async () => {
    const { session } = await talk(['bob']);
    for (const [method, path, body] of WRITES(session, 'run_01h455vb4pex5vsknk084sn02q')) {
      if (!path.includes(session) && body === undefined) continue;
      const foreign = await eve.call(method, path, body);
      const asked = JSON.stringify(body)?.replaceAll(session, NOBODYS);
      const missing = await eve.call(method, path.replace(session, NOBODYS), asked);
      expect([path, foreign.status, bare(foreign.text)]).toEqual([path, 404, bare(missing.text)]);
    }
  });
});

const bare = (text: string) => text.replace(/"request_id":"[^"]*"/, '');
