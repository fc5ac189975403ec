import { afterEach, describe, expect, it } from '@jest/globals';
import { AgentlineClient, type ClientOptions } from './agentline-client.js';

const RUN = { id: 'run_1', session_id: 'ses_1', status: 'queued' };
const STREAMED =
  'retry: 1000\nevent: run\ndata: {"run_id":"run_1","session_id":"ses_1","status":"queued","attempt":1,"model":"m"}\nid: run_1.1.1\n\n';
const asStream = (text: string) => new Response(text, { headers: { 'content-type': 'text/event-stream' } });

interface Asked {
  method: string | undefined;
  path: string;
  key: string | undefined;
  authorization: string | undefined;
  body: unknown;
}

/** A client whose calls are answered in turn; an Error: the network failed. */
function clientOf(...answers: (Response | Error)[]) {
  return clientWith({}, ...answers);
}

function clientWith(options: Partial<ClientOptions>, ...answers: (Response | Error)[]) {
  const asked: Asked[] = [];
  const waits: number[] = [];
  const fetch = async (url: string, init: RequestInit = {}) => {
    const headers = init.headers as Record<string, string>;
    asked.push({
      method: init.method,
      path: new URL(url).pathname,
      key: headers['Idempotency-Key'],
      authorization: headers['Authorization'],
      body: init.body === undefined ? undefined : JSON.parse(init.body as string),
    });
    const answer = answers.shift();
    if (answer === undefined) throw new Error('asked once more than expected');
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const client = new AgentlineClient({
    url: 'http://agent.example',
    fetch: fetch as typeof globalThis.fetch,
    pause: async (milliseconds) => void waits.push(milliseconds),
    random: () => 0.5,
    ...options,
  });
  return { client, asked, waits };
}

const broken = new TypeError('fetch failed');

describe('starting a run', () => {
  it('says the same key again when there was no answer', async () => {
    const { client, asked, waits } = clientOf(
      broken,
      Response.json({}, { status: 503, headers: { 'retry-after': '5' } }),
      Response.json({ run: RUN }, { status: 202 }),
    );
    const started = await client.start({ session_id: 'ses_1', content: 'Hi', when_busy: 'steer' });
    expect(started).toEqual({ run_id: 'run_1', session_id: 'ses_1', status: 'queued' });
    expect(asked[0]).toMatchObject({
      method: 'POST',
      path: '/api/agent/sessions/ses_1/messages',
      body: { content: 'Hi', when_busy: 'steer' },
    });
    expect(asked[0]?.key).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(asked.map(({ key }) => key)).size).toBe(1);
    expect(waits).toEqual([500, 5000]);
  });

  it('makes the session with it, in one call, also when the answer breaks off', async () => {
    const { client, asked } = clientOf(asStream('retry: 10\nevent: run\nda'), asStream(STREAMED));
    const started = await client.start({ content: 'Hi' }, { idempotencyKey: 'k' });
    expect(started).toEqual({ run_id: 'run_1', session_id: 'ses_1', status: 'queued' });
    expect(asked.map(({ path, key }) => [path, key])).toEqual([
      ['/api/agent/stream', 'k'],
      ['/api/agent/stream', 'k'],
    ]);
  });

  it('names another key for another start', async () => {
    const { client, asked } = clientOf(
      Response.json({ run: RUN }, { status: 202 }),
      Response.json({ run: RUN }, { status: 202 }),
    );
    await client.start({ session_id: 'ses_1', content: 'Hi' });
    await client.start({ session_id: 'ses_1', content: 'Hi' });
    expect(asked[0]?.key).not.toBe(asked[1]?.key);
  });

  it.each([400, 401, 403, 404, 409, 422])('is not repeated when it is refused (%d)', async (status) => {
    const { client, asked } = clientOf(Response.json({ code: 'x', detail: 'No.' }, { status }));
    await expect(client.start({ session_id: 'ses_1', content: 'Hi' })).rejects.toMatchObject({ status });
    expect(asked).toHaveLength(1);
  });

  it('gives up when nobody answers for long', async () => {
    const { client, asked, waits } = clientOf(...Array.from({ length: 20 }, () => broken));
    await expect(client.start({ session_id: 'ses_1', content: 'Hi' })).rejects.toMatchObject({
      name: 'AgentlineError',
      status: 0,
      code: 'unreachable',
      cause: broken,
    });
    expect(asked).toHaveLength(8);
    expect(waits).toEqual([500, 750, 1500, 3000, 6000, 11250, 11250]);
  });
});

describe('the other calls', () => {
  it('are made again when there was no answer: cancelling and deciding twice is doing it once', async () => {
    const receipt = { run_id: 'run_1', status: 'cancelled' };
    const { client, asked } = clientOf(
      broken,
      Response.json(receipt),
      broken,
      Response.json({ decision: 'deny' }),
    );
    expect(await client.cancel('run_1')).toEqual(receipt);
    expect(await client.decide('run_1', 't/1', 'deny', { reason: 'no' })).toEqual({ decision: 'deny' });
    expect(asked.slice(1, 3).map(({ path }) => path)).toEqual([
      '/api/agent/runs/run_1/cancel',
      '/api/agent/runs/run_1/tool_calls/t%2F1/decision',
    ]);
    expect(asked[3]?.body).toEqual({ decision: 'deny', reason: 'no' });
  });

  it('are made as often as the caller wants', async () => {
    const { client, asked } = clientWith({ attempts: 2 }, broken, broken, broken);
    await expect(client.me()).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked).toHaveLength(2);
  });

  it('say that it is no Agentline server that answers', async () => {
    const { client, asked } = clientOf(new Response('<html>'));
    await expect(client.me()).rejects.toMatchObject({ status: 200, code: 'not_json' });
    expect(asked).toHaveLength(1);
  });

  it('end with their signal', async () => {
    const { client, asked } = clientOf();
    const reason = new Error('left');
    await expect(client.me({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(asked).toEqual([]);
  });

  it('do not follow what is not named', () => {
    expect(() => clientOf().client.follow({})).toThrow('follow() needs session_id or run_id.');
  });
});

describe('signing in', () => {
  afterEach(() => {
    delete (globalThis as { location?: unknown }).location;
  });

  it('gets a token, which goes along from then on', async () => {
    const { client, asked } = clientOf(
      Response.json({ access_token: 'abc' }),
      Response.json({ id: 'usr_1' }),
    );
    await client.signIn('ada@example.com', 'pass');
    await client.me();
    expect(asked).toMatchObject([
      { path: '/api/auth/token', body: { email: 'ada@example.com', password: 'pass' } },
      { path: '/api/auth/me', authorization: 'Bearer abc' },
    ]);
    await client.signOut();
    expect(asked).toHaveLength(2);
  });

  it('gets a cookie in a page of the server, and ends it there', async () => {
    Object.assign(globalThis, { location: { origin: 'http://agent.example' } });
    const { client, asked } = clientOf(Response.json({ user: {} }), new Response(null, { status: 204 }));
    await client.signIn('ada@example.com', 'pass');
    await client.signOut();
    expect(asked.map(({ path, authorization }) => [path, authorization])).toEqual([
      ['/api/auth/login', undefined],
      ['/api/auth/logout', undefined],
    ]);
  });

  it('is not repeated: a wrong password counts', async () => {
    const { client, asked } = clientOf(broken);
    await expect(client.signIn('ada@example.com', 'pass')).rejects.toMatchObject({ code: 'unreachable' });
    expect(asked).toHaveLength(1);
  });
});
