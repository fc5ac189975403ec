import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AgentlineClient, type ClientOptions, type StreamEvent } from '../src/client/agentline-client.js';
import { textReply, toolReply } from './support/anthropic/anthropic-sse.js';
import { Api, tokenFor } from './support/api.js';
import { type RunningApp, startApp } from './support/app.js';
import { CutProxy } from './support/cut-proxy.js';
import { textOf, type ViewedEvent } from './support/event-list.js';
import { FakeUpstream, type UpstreamCall } from './support/fake-upstream.js';
import { Random } from './support/random.js';
import { TEST_ENV, upstreamEnv } from './support/test-env.js';

const WORDS = Array.from({ length: 40 }, (_, n) => `wörd-${n} `);

let upstream: FakeUpstream;
let app: RunningApp;
let ada: Api;
let proxy: CutProxy;

beforeAll(async () => {
  upstream = await FakeUpstream.start(answer);
  app = await startApp(upstreamEnv(upstream.url));
  ada = await Api.as(app.url, 'ada');
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

beforeEach(async () => {
  proxy = await CutProxy.open(app.url);
});

afterEach(() => proxy.close());

/** A tool call, then an answer that breaks off in its middle, so that there is a reset; "quick" gets a few words. */
function answer({ body, number }: UpstreamCall) {
  const said = JSON.stringify(body.messages);
  if (said.includes('quick')) return { sse: textReply(['one ', 'two ', 'three']), paceMs: 5 };
  if (said.includes('slow')) return { sse: textReply(WORDS), paceMs: 20 };
  if (!said.includes('tool_result')) {
    return { sse: toolReply(['Let me look. '], [{ id: `toolu_${number}`, name: 'get_time', input: {} }]) };
  }
  const isBroken = !broken.has(said);
  broken.add(said);
  const whole = textReply(WORDS);
  return { sse: isBroken ? whole.slice(0, 20) : whole, paceMs: 2 };
}
const broken = new Set<string>();

/** By way of the proxy; comes back at once. */
function client(options: Partial<ClientOptions> = {}): AgentlineClient {
  return new AgentlineClient({
    url: proxy.url(app.url),
    token: ada.token,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    ...options,
  });
}

const viewed = ({ type, id, data }: StreamEvent): ViewedEvent => ({
  event: type,
  id: id ?? 'none',
  data: JSON.stringify(data),
});

describe.each(['sse', 'websocket'] as const)('a client that follows by %s', (transport) => {
  it('sees the same list, each event once, however often the connection is cut', async () => {
    const random = Random.printed(`client ${transport}`);
    let opened = 0;
    const agentline = client({ transport });
    const run = await agentline.start({ content: 'please' });
    const stream = agentline.follow(run, { onConnection: (state) => (opened += Number(state === 'open')) });
    const seen: ViewedEvent[] = [];
    for await (const event of stream) {
      seen.push(viewed(event));
      if (random.between(1, 3) === 1) proxy.drop();
    }

    const { events } = await ada.read({ session_id: run.session_id });
    expect(seen).toEqual(events);
    expect(seen.filter(({ event }) => event === 'reset')).toHaveLength(1);
    expect(stream.view.text).toBe(textOf(events));
    expect(stream.view.text).toBe(`Let me look. ${WORDS.join('')}`);
    expect(stream.view.tools).toMatchObject([{ name: 'get_time', state: 'answered' }]);
    expect(stream.view.status).toBe('completed');
    expect(opened).toBeGreaterThan(3);
  });

  it('goes on where another has stopped, and has nothing to do after done', async () => {
    const agentline = client({ transport });
    const run = await agentline.start({ content: 'quick' });
    const first = agentline.follow(run);
    for await (const { id } of first) if (id?.endsWith('.4') === true) break;
    const rest: (string | null)[] = [];
    for await (const { id } of agentline.follow({ ...run, last_event_id: first.lastEventId })) rest.push(id);

    expect(rest[0]).toBe(`${run.run_id}.1.5`);
    const after = agentline.follow({ ...run, last_event_id: rest.at(-1) ?? undefined });
    expect((await after.settled()).runId).toBeNull();
  });

  it('stays with a session over its runs, until it is told to leave', async () => {
    const leave = new AbortController();
    const agentline = client({ transport });
    const { session_id } = await agentline.start({ content: 'quick' });
    const ended: (string | null)[] = [];
    const reading = (async () => {
      for await (const event of agentline.follow({ session_id, follow: true }, { signal: leave.signal })) {
        if (event.type !== 'done') continue;
        ended.push(event.id);
        if (ended.length === 2) leave.abort(new Error('seen enough'));
        else await agentline.start({ session_id, content: 'quick again' });
      }
    })();

    await expect(reading).rejects.toThrow('seen enough');
    expect(ended.map((id) => id?.split('.')[0])).toEqual(
      (await agentline.runs(session_id)).map(({ id }) => id).toReversed(),
    );
  });

  it('is told for good what it may not see', async () => {
    const eve = client({ transport, token: (await Api.as(app.url, 'eve')).token });
    const run = await client().start({ content: 'quick' });
    await expect(eve.follow(run).settled()).rejects.toMatchObject({ status: 404, code: 'not_found' });
    const nobody = client({ transport, token: 'nonsense' });
    await expect(nobody.follow(run).settled()).rejects.toMatchObject({ status: 401 });
  });
});

describe('a client', () => {
  it.each([true, false])('makes one run of a start whose answer was lost (own session: %s)', async (own) => {
    const answers: number[] = [];
    const losesTheFirst: typeof fetch = async (...request) => {
      const answer = await fetch(...request);
      answers.push(answer.status);
      if (answers.length > 1) return answer;
      await answer.text();
      throw new TypeError('fetch failed');
    };
    const session = own ? { session_id: await ada.createSession() } : {};
    const run = await client({ fetch: losesTheFirst }).start({ ...session, content: 'quick' });
    expect(answers).toEqual(own ? [202, 202] : [200, 200]);
    expect((await ada.runsOf(run.session_id)).map(({ id }) => id)).toEqual([run.run_id]);
  });

  it('cancels, and sees the end of it', async () => {
    const agentline = client();
    const run = await agentline.start({ content: 'slow, please' });
    const stream = agentline.follow(run);
    let receipt: unknown;
    for await (const { type } of stream) if (type === 'token') receipt ??= await agentline.cancel(run.run_id);
    expect(receipt).toMatchObject({ run_id: run.run_id, status: 'cancelled' });
    expect(stream.view.done).toMatchObject({ status: 'cancelled' });
  });

  it('signs in by password, and takes an API key as it takes a token', async () => {
    const admin = new AgentlineClient({ url: app.url });
    await admin.signIn(TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
    expect(await admin.me()).toMatchObject({ email: TEST_ENV.ADMIN_EMAIL, roles: ['admin'] });
    const token = await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
    const made = await new Api(app.url, token).call<{ key: string }>('POST', '/api/auth/keys', {
      name: 'client',
      scopes: ['agent:read'],
    });
    const program = new AgentlineClient({ url: app.url, token: made.body.key });
    expect(made.status).toBe(201);
    expect(await program.me()).toEqual(await admin.me());
  });
});
