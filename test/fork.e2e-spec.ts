import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { faultsOf, textOf } from './support/event-list.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';

interface MessageBody {
  id: string;
  run_id: string | null;
  role: string;
  content: { type: string; text?: string }[];
}

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start();
  app = await startApp(upstreamEnv(upstream.url));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(() => upstream.forget());

const forkOf = (session: string, body?: unknown, by = ada) =>
  by.call<{ id: string }>('POST', `/api/agent/sessions/${session}/fork`, body);

async function forked(session: string, messageId?: string): Promise<string> {
  const body = messageId === undefined ? undefined : { message_id: messageId };
  return expectStatus(await forkOf(session, body), 201).body.id;
}

async function messagesOf(session: string): Promise<MessageBody[]> {
  const path = `/api/agent/sessions/${session}/messages`;
  return expectStatus(await ada.call<{ data: MessageBody[] }>('GET', path), 200).body.data;
}

/** Two questions: the first is answered with the help of a tool. */
async function talk(): Promise<string> {
  upstream.answer([
    {
      sse: toolReply(['One moment. '], [{ id: 'toolu_1', name: 'calculate', input: { expression: '6*7' } }]),
    },
    { sse: textReply(['It is 42.']) },
    { sse: textReply(['Gladly.']) },
  ]);
  const session = await ada.createSession({ title: 'Numbers', system: 'Be exact.', metadata: { a: 1 } });
  await ada.settled((await ada.post(session, 'What is 6*7?')).id);
  await ada.settled((await ada.post(session, 'Thank you')).id);
  return session;
}

const contents = (messages: MessageBody[]) => messages.map(({ role, content }) => ({ role, content }));

describe('a fork', () => {
  it('goes on with the whole history after the first was deleted, and its runs count for themselves', async () => {
    const session = await talk();
    const history = await messagesOf(session);
    const fork = await forked(session);
    expectStatus(await ada.call('DELETE', `/api/agent/sessions/${session}`), 204);

    expect((await ada.call('GET', `/api/agent/sessions/${fork}`)).body).toMatchObject({
      title: 'Numbers',
      system: 'Be exact.',
      metadata: { a: 1 },
    });
    const copied = await messagesOf(fork);
    expect(contents(copied)).toEqual(contents(history));
    expect(copied.map(({ run_id }) => run_id)).toEqual(copied.map(() => null));
    expect(await ada.runsOf(fork)).toEqual([]);

    upstream.answer([{ sse: textReply(['Again.']) }]);
    await ada.settled((await ada.post(fork, 'And now?')).id);
    const { events } = await ada.read({ session_id: fork });
    expect([faultsOf(events), textOf(events)]).toEqual([[], 'Again.']);
    expect(upstream.calls.at(-1)!.body.messages).toHaveLength(7);
    expect(upstream.complaints).toEqual([]);
  });

  it.each([
    ['the question', 0, 1],
    ['a tool call: with its result', 1, 3],
    ['the answer', 3, 4],
  ])('up to %s is a history that the model takes', async (_what, at, kept) => {
    const session = await talk();
    const fork = await forked(session, (await messagesOf(session))[at]!.id);
    expect(await messagesOf(fork)).toHaveLength(kept);
    upstream.answer([{ sse: textReply(['Otherwise.']) }]);
    const run = await ada.settled((await ada.post(fork, 'Try otherwise')).id);
    expect([run.status, upstream.complaints]).toEqual(['completed', []]);
    expect(await messagesOf(session)).toHaveLength(6);
  });

  it('while a run works takes what is stored, and leaves the run alone', async () => {
    const session = await talk();
    upstream.answer([{ sse: textReply(['never', ' whole']), stallAfterPieces: 3 }]);
    const run = await ada.post(session, 'And 7*8?');
    await until('the answer to begin', () => upstream.calls.length === 4);
    const fork = await forked(session);
    expect(contents(await messagesOf(fork)).at(-1)).toEqual({
      role: 'user',
      content: [{ type: 'text', text: 'And 7*8?' }],
    });
    expect((await ada.run(run.id)).status).toBe('running');
    await ada.cancel(run.id);
    upstream.answer([{ sse: textReply(['56']) }]);
    expect((await ada.settled((await ada.post(fork, 'Well?')).id)).status).toBe('completed');
    expect(upstream.complaints).toEqual([]);
  });

  it('of the session of another, or up to a message of another session, is refused like what does not exist', async () => {
    const session = await talk();
    const eve = await Api.as(app.url, 'eve');
    const stranger = await eve.createSession();
    const [first] = await messagesOf(session);
    expect((await forkOf(session, {}, eve)).status).toBe(404);
    expect((await forkOf(stranger, { message_id: first!.id }, eve)).status).toBe(404);
    expect((await forkOf(session, { message_id: 'msg_none' })).status).toBe(404);
    expect((await forkOf(session, { message: 'x' })).status).toBe(400);
  });
});
