import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, send, signIn, tokenFor, type Answer } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { TEST_ENV, upstreamEnv } from './support/test-env.js';
import { within } from './support/until.js';
import { openSocket, UpgradeRefused } from './support/ws-client.js';

interface KeyBody {
  id: string;
  name: string;
  key: string;
  hint: string;
  scopes: string[];
  user_id: string;
  created_by: string;
  expires_at: string;
  created_at: string;
  last_used_at: string | null;
}

const PASSWORD = 'a password of these tests';
const UNKNOWN_KEY = 'key_01h455vb4pex5vsknk084sn02q';
const UNKNOWN_USER = 'usr_01h455vb4pex5vsknk084sn02q';
const UNKNOWN_RUN = 'run_01h455vb4pex5vsknk084sn02q';
/** Well formed, and nobody's. */
const NOBODYS_KEY = `agl_${'0'.repeat(43)}2CZclj`;
const DAY_MS = 24 * 3_600_000;

let upstream: FakeUpstream;
let app: RunningApp;
let root: Api;
let ann: Api;
let eve: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(['done']) }));
  app = await startApp(upstreamEnv(upstream.url));
  root = await user(TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
  ann = await newUser('ann@acme.test', { tenant_id: 'acme' });
  eve = await newUser('eve@acme.test', { tenant_id: 'acme' });
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

async function user(email: string, password = PASSWORD): Promise<Api> {
  return new Api(app.url, await tokenFor(app.url, email, password));
}

async function newUser(email: string, fields: Record<string, unknown> = {}): Promise<Api> {
  const body = { email, password: PASSWORD, ...fields };
  expectStatus(await root.call('POST', '/api/admin/users', body), 201);
  return user(email);
}

async function newKey(of: Api, fields: Record<string, unknown> = {}): Promise<{ id: string; api: Api }> {
  const made = await of.call<KeyBody>('POST', '/api/auth/keys', { name: 'nightly', ...fields });
  const { id, key } = expectStatus(made, 201).body;
  return { id, api: new Api(app.url, key) };
}

async function keysOf(api: Api): Promise<KeyBody[]> {
  return expectStatus(await api.call<{ data: KeyBody[] }>('GET', '/api/auth/keys'), 200).body.data;
}

async function idOf(api: Api): Promise<string> {
  return expectStatus(await api.call<{ id: string }>('GET', '/api/auth/me'), 200).body.id;
}

/** What a refusal says, without the number of its request. */
function refusal({ status, headers, body }: Answer): unknown {
  return {
    status,
    type: headers.get('content-type'),
    challenge: headers.get('www-authenticate'),
    ...body,
    request_id: '',
  };
}

describe('A key', () => {
  it('is made by its user, shown once, and stands for the user from then on', async () => {
    const made = await ann.call<KeyBody>('POST', '/api/auth/keys', { name: 'nightly build' });

    expect(made.status).toBe(201);
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(made.body).toEqual({
      id: expect.stringMatching(/^key_/),
      name: 'nightly build',
      key: expect.stringMatching(/^agl_[0-9A-Za-z]{49}$/),
      hint: made.body.key.slice(-4),
      scopes: ['agent:read', 'agent:write'],
      expires_at: expect.any(String),
      created_at: expect.any(String),
    });
    expect(Date.parse(made.body.expires_at) - Date.parse(made.body.created_at)).toBe(90 * DAY_MS);

    const { key, ...shown } = made.body;
    const id = await idOf(ann);
    const listed = { ...shown, user_id: id, created_by: id, last_used_at: null };
    const list = await ann.call('GET', '/api/auth/keys');
    expect(list.body).toEqual({ data: [listed], next_cursor: null });
    expect(list.text).not.toContain(key);

    const me = await new Api(app.url, key).call('GET', '/api/auth/me');
    expect(me.body).toMatchObject({ id, email: 'ann@acme.test', tenant_id: 'acme', roles: ['member'] });
    expect((await keysOf(ann))[0]!.last_used_at).toMatch(/^\d{4}-.*Z$/);
  });

  it('starts a run, streams it, and opens a socket by header and by subprotocol', async () => {
    const { api } = await newKey(ann);
    const session = await api.createSession();
    const run = await api.post(session, 'Hello');
    const { events } = await api.read({ session_id: session });
    expect(events.at(-1)).toMatchObject({ event: 'done' });
    expect(await ann.settled(run.id)).toMatchObject({ status: 'completed' });

    for (const options of [{ headers: api.authorization }, { bearerProtocol: api.token }]) {
      const socket = await openSocket(app.url, options);
      expect(await socket.ask('subscribe', { session_id: session })).toMatchObject({ event: 'ack' });
      await socket.close();
    }
  });

  it('can be made with a cookie, too', async () => {
    const cookie = await signIn(app.url, 'ann@acme.test', PASSWORD);
    const headers = { cookie, origin: app.url };
    const made = await send<KeyBody>('POST', `${app.url}/api/auth/keys`, { name: 'by cookie' }, headers);
    const { key } = expectStatus(made, 201).body;

    // Both at once name the same user; the key's scopes hold, not those of the cookie.
    const both = { ...headers, authorization: `Bearer ${key}` };
    expect((await send('GET', `${app.url}/api/auth/me`, undefined, both)).status).toBe(200);
    expect((await send('GET', `${app.url}/api/auth/keys`, undefined, both)).status).toBe(403);
  });

  it.each([
    ['no name', {}],
    ['an empty name', { name: ' ' }],
    ['a name of two lines', { name: 'a\nb' }],
    ['a scope that there is not', { name: 'k', scopes: ['agent:everything'] }],
    ['no scope', { name: 'k', scopes: [] }],
    ['no day', { name: 'k', expires_in_days: 0 }],
    ['more than a year', { name: 'k', expires_in_days: 367 }],
    ['half a day', { name: 'k', expires_in_days: 0.5 }],
    ['a field that is not known', { name: 'k', key: 'mine' }],
  ])('with %s is refused', async (_what, body) => {
    expect(await ann.call('POST', '/api/auth/keys', body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
  });

  it('is for nothing that its user may not', async () => {
    const scopes = ['agent:read', 'agent:admin'];
    expect(await ann.call('POST', '/api/auth/keys', { name: 'k', scopes })).toMatchObject({ status: 403 });

    const guest = await newUser('guest@acme.test', { tenant_id: 'acme', roles: ['viewer'] });
    const made = await guest.call<KeyBody>('POST', '/api/auth/keys', { name: 'k' });
    expect([made.status, made.body.scopes]).toEqual([201, ['agent:read']]);
  });

  it('is not made for who has no account here', async () => {
    const stranger = await Api.as(app.url, 'stranger');
    expect(await stranger.call('POST', '/api/auth/keys', { name: 'k' })).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });

  it('is one of 50 at most', async () => {
    const busy = await newUser('busy@acme.test', { tenant_id: 'acme' });
    const made = await Promise.all(Array.from({ length: 50 }, () => newKey(busy)));

    const refused = await busy.call('POST', '/api/auth/keys', { name: 'one more' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expectStatus(await busy.call('DELETE', `/api/auth/keys/${made[0]!.id}`), 204);
    await newKey(busy);
  });
});

describe('A key that does not count', () => {
  it('is refused in the same words, whatever is wrong with it', async () => {
    const gone = await newKey(ann);
    expectStatus(await ann.call('DELETE', `/api/auth/keys/${gone.id}`), 204);
    const mal = await newUser('mal@acme.test', { tenant_id: 'acme' });
    const disabled = await newKey(mal);
    const path = `/api/admin/users/${await idOf(mal)}?tenant_id=acme`;
    expectStatus(await root.call('PATCH', path, { disabled: true }), 200);

    const texts = [NOBODYS_KEY, 'agl_', 'agl_typo', `${gone.api.token}0`, gone.api.token, disabled.api.token];
    const answers = await Promise.all(
      texts.map((text) => new Api(app.url, text).call('GET', '/api/agent/sessions')),
    );
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(answers[0]!.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(new Set(answers.map((answer) => JSON.stringify(refusal(answer)))).size).toBe(1);
    await expect(openSocket(app.url, { bearerProtocol: gone.api.token })).rejects.toThrow(UpgradeRefused);
  });

  it('is not looked for in the address', async () => {
    const { api } = await newKey(ann);
    for (const name of ['key', 'api_key', 'access_token', 'token', 'ticket']) {
      const answer = await send('GET', `${app.url}/api/agent/sessions?${name}=${api.token}`);
      expect([name, answer.status]).toEqual([name, 401]);
    }
  });
});

describe('A key with a scope', () => {
  it('to read sees everything and changes nothing (S22)', async () => {
    const { api } = await newKey(ann, { scopes: ['agent:read'] });
    const session = await ann.createSession();
    const run = await ann.post(session, 'Hello');
    await ann.settled(run.id);

    for (const path of [
      'sessions',
      `sessions/${session}`,
      `sessions/${session}/messages`,
      `runs/${run.id}`,
    ]) {
      expect([path, (await api.call('GET', `/api/agent/${path}`)).status]).toEqual([path, 200]);
    }
    expect((await api.read({ session_id: session })).events.at(-1)).toMatchObject({ event: 'done' });

    const decision = `runs/${run.id}/tool_calls/toolu_1/decision`;
    for (const [method, path, body] of [
      ['POST', `sessions/${session}/messages`, { content: 'Hi' }],
      ['POST', 'sessions', {}],
      ['PATCH', `sessions/${session}`, { title: 'x' }],
      ['DELETE', `sessions/${session}`, undefined],
      ['POST', 'stream', { content: 'Hi' }],
      ['POST', `runs/${run.id}/cancel`, undefined],
      ['POST', `runs/${UNKNOWN_RUN}/cancel`, undefined],
      ['POST', decision, { decision: 'approve' }],
    ] as const) {
      const answer = await api.call(method, `/api/agent/${path}`, body);
      expect([path, answer.status, answer.body['code']]).toEqual([path, 403, 'forbidden']);
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }
    expect(await ann.runsOf(session)).toHaveLength(1);
  });

  it('to read may watch over a socket, and start nothing there', async () => {
    const { api } = await newKey(ann, { scopes: ['agent:read'] });
    const session = await ann.createSession();
    const socket = await api.socket();

    expect(await socket.ask('subscribe', { session_id: session })).toMatchObject({ event: 'ack' });
    for (const [event, data] of [
      ['start', { session_id: session, content: 'Hi' }],
      ['cancel', { run_id: UNKNOWN_RUN }],
      ['decide', { run_id: UNKNOWN_RUN, tool_call_id: 't', decision: 'approve' }],
    ] as const) {
      expect(await socket.ask(event, data)).toMatchObject({ event: 'rejected', data: { code: 'forbidden' } });
    }
    await socket.close();
    expect(await ann.runsOf(session)).toEqual([]);
  });

  it('gets tickets that are good for no more than it is', async () => {
    const { api } = await newKey(ann, { scopes: ['agent:read'] });
    const session = await ann.createSession();
    const made = await api.call<{ ticket: string }>('POST', '/api/auth/tickets', { session_id: session });
    const path = `/api/agent/ws?ticket=${expectStatus(made, 201).body.ticket}`;
    const socket = await openSocket(app.url, { path });

    const start = { session_id: session, content: 'Hi' };
    expect(await socket.ask('start', start)).toMatchObject({
      event: 'rejected',
      data: { code: 'forbidden' },
    });
    await socket.close();
  });

  it('to read and write does not decide, and does not administer', async () => {
    const { api } = await newKey(root);
    const decision = `/api/agent/runs/${UNKNOWN_RUN}/tool_calls/toolu_1/decision`;

    expect((await api.call('POST', decision, { decision: 'approve' })).status).toBe(403);
    expect((await api.call('GET', '/api/admin/keys')).status).toBe(403);
    expect((await api.call('GET', '/metrics')).status).toBe(403);
  });

  it('to administer does just that, and nothing with keys of its user', async () => {
    const { api } = await newKey(root, { scopes: ['agent:admin'] });

    expect((await api.call('GET', '/api/admin/keys')).status).toBe(200);
    expect((await api.call('GET', '/api/agent/sessions')).status).toBe(403);
    const more = await makeServiceAccount({ name: 'escalated', roles: ['admin'] });
    const asked = { name: 'k', scopes: ['agent:read', 'agent:admin'] };
    expect((await api.call('POST', `/api/admin/service_accounts/${more}/keys`, asked)).status).toBe(403);
  });

  it('to administer makes nobody who signs in, nor an administrator of one: they would outlive it', async () => {
    const { api } = await newKey(root, {
      scopes: ['agent:read', 'agent:write', 'agent:decide', 'agent:admin'],
    });
    const kim = await idOf(await newUser('kim@example.com'));
    const account = { email: 'more@example.com', password: PASSWORD, roles: ['admin'] };

    expect((await api.call('POST', '/api/admin/users', account)).status).toBe(403);
    expect((await api.call('PATCH', `/api/admin/users/${kim}`, { roles: ['admin'] })).status).toBe(403);
    expect((await root.call('GET', `/api/admin/users/${kim}`)).body).toMatchObject({ roles: ['member'] });
    const ended = await api.call('PATCH', `/api/admin/users/${kim}`, { disabled: true });
    expect(ended).toMatchObject({ status: 200, body: { disabled: true } });
  });

  it('or without: makes, lists and ends no keys, and changes no password', async () => {
    const { api, id } = await newKey(ann, { scopes: ['agent:read', 'agent:write', 'agent:decide'] });
    const passwords = { current: PASSWORD, new: 'another one of these' };

    expect((await api.call('POST', '/api/auth/keys', { name: 'k' })).status).toBe(403);
    expect((await api.call('GET', '/api/auth/keys')).status).toBe(403);
    expect((await api.call('DELETE', `/api/auth/keys/${id}`)).status).toBe(403);
    expect((await api.call('POST', '/api/auth/password', passwords)).status).toBe(403);
    expect(await user('ann@acme.test')).toBeInstanceOf(Api);
  });
});

describe('A key that is ended', () => {
  it('is refused at once, and its streams and sockets close', async () => {
    const { id, api } = await newKey(ann);
    const session = await api.createSession();
    const socket = await api.socket();
    const stream = await api.open({ session_id: session, follow: 'true' });
    expect(stream.status).toBe(200);
    const byTicket = await openSocket(app.url, { path: await ticketPath(api, session) });

    expectStatus(await ann.call('DELETE', `/api/auth/keys/${id}`), 204);

    expect((await api.call('GET', '/api/auth/me')).status).toBe(401);
    expect(await within(4_000, 'the socket to close', socket.closed)).toMatchObject({ code: 4401 });
    expect(await within(4_000, 'the other to close', byTicket.closed)).toMatchObject({ code: 4401 });
    await within(4_000, 'the stream to end', stream.ended);
    expect((await ann.call('GET', '/api/auth/me')).status).toBe(200);
    expect((await keysOf(ann)).map((key) => key.id)).not.toContain(id);
  });

  it('lets no ticket in that was made with it', async () => {
    const { id, api } = await newKey(ann);
    const path = await ticketPath(api, await api.createSession());
    expectStatus(await ann.call('DELETE', `/api/auth/keys/${id}`), 204);

    await expect(openSocket(app.url, { path })).rejects.toMatchObject({ status: 401 });
  });

  it('is ended by its user or an administrator; for others it does not exist', async () => {
    const { id, api } = await newKey(ann);
    const missing = refusal(await eve.call('DELETE', `/api/auth/keys/${UNKNOWN_KEY}`));

    expect(missing).toMatchObject({ status: 404, code: 'not_found' });
    expect(refusal(await eve.call('DELETE', `/api/auth/keys/${id}`))).toEqual(missing);
    expect(refusal(await eve.call('DELETE', '/api/auth/keys/x'))).toEqual(missing);
    expect((await eve.call('DELETE', `/api/admin/keys/${id}`)).status).toBe(403);
    expect(refusal(await root.call('DELETE', `/api/admin/keys/${id}`))).toEqual(missing);
    expect((await api.call('GET', '/api/auth/me')).status).toBe(200);

    const boss = await newUser('boss@globex.test', { tenant_id: 'globex', roles: ['admin'] });
    expect(refusal(await boss.call('DELETE', `/api/admin/keys/${id}`))).toEqual(missing);
    expect((await boss.call('DELETE', `/api/admin/keys/${id}?tenant_id=acme`)).status).toBe(403);
    expect((await boss.call('GET', '/api/admin/keys')).body).toEqual({ data: [], next_cursor: null });
    expect((await boss.call('GET', '/api/admin/keys?tenant_id=acme')).status).toBe(403);

    const list = `/api/admin/keys?tenant_id=acme&limit=1&user_id=${await idOf(ann)}`;
    const first = await root.call<{ data: KeyBody[]; next_cursor: string }>('GET', list);
    expect(first.body.data.map((key) => key.id)).toEqual([id]);
    const next = await root.call<{ data: KeyBody[] }>('GET', `${list}&cursor=${first.body.next_cursor}`);
    expect(next.body.data).toHaveLength(1);
    expect(next.body.data[0]!.id < id).toBe(true);
    expect((await root.call('GET', '/api/admin/keys?cursor=nonsense')).status).toBe(400);

    expectStatus(await root.call('DELETE', `/api/admin/keys/${id}?tenant_id=acme`), 204);
    expect((await api.call('GET', '/api/auth/me')).status).toBe(401);
  });
});

describe('A service account', () => {
  it('is a user without address or password, for whom administrators make keys', async () => {
    const made = await root.call('POST', '/api/admin/service_accounts', {
      name: 'deploy',
      roles: ['viewer'],
    });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^usr_/),
      name: 'deploy',
      email: null,
      tenant_id: 'default',
      roles: ['viewer'],
      disabled: false,
      created_at: expect.any(String),
    });
    const list = await root.call<{ data: unknown[] }>('GET', '/api/admin/service_accounts');
    expect(list.body.data[0]).toEqual(made.body);

    const id = made.body['id'] as string;
    const { api } = await serviceKey(id);
    expect((await api.call('GET', '/api/auth/me')).body).toEqual({
      id,
      email: null,
      tenant_id: 'default',
      roles: ['viewer'],
    });
    const keys = await root.call<{ data: KeyBody[] }>('GET', `/api/admin/keys?user_id=${id}`);
    expect(keys.body.data).toMatchObject([{ user_id: id, created_by: await idOf(root) }]);
  });

  it('has keys that do what its roles are today', async () => {
    const id = await makeServiceAccount({ name: 'worker' });
    const { api } = await serviceKey(id);
    const session = await api.createSession();

    expectStatus(await root.call('PATCH', `/api/admin/users/${id}`, { roles: ['viewer'] }), 200);
    const post = await api.call('POST', `/api/agent/sessions/${session}/messages`, { content: 'Hi' });
    expect(post.status).toBe(403);
    expectStatus(await root.call('PATCH', `/api/admin/users/${id}`, { disabled: true }), 200);
    expect((await api.call('GET', '/api/agent/sessions')).status).toBe(401);
    expect((await root.call('POST', `/api/admin/service_accounts/${id}/keys`, { name: 'k' })).status).toBe(
      404,
    );
    expectStatus(await root.call('PATCH', `/api/admin/users/${id}`, { disabled: false }), 200);
    expect((await api.call('GET', '/api/agent/sessions')).status).toBe(200);
  });

  it('cannot sign in: its id is answered like an address that nobody has', async () => {
    const id = await makeServiceAccount({ name: 'quiet' });
    for (const route of ['login', 'token']) {
      const answers = await Promise.all(
        [id, UNKNOWN_USER].map((email) =>
          send('POST', `${app.url}/api/auth/${route}`, { email, password: PASSWORD }),
        ),
      );
      expect(answers.map(({ status }) => [400, 401].includes(status))).toEqual([true, true]);
      expect(refusal(answers[0]!)).toEqual(refusal(answers[1]!));
    }
  });

  it('ends with its keys and what they opened', async () => {
    const id = await makeServiceAccount({ name: 'short' });
    const { api } = await serviceKey(id);
    const socket = await api.socket();

    expectStatus(await root.call('DELETE', `/api/admin/service_accounts/${id}`), 204);

    expect(await within(4_000, 'the socket to close', socket.closed)).toMatchObject({ code: 4401 });
    expect((await api.call('GET', '/api/auth/me')).status).toBe(401);
    const missing = refusal(await root.call('DELETE', `/api/admin/service_accounts/${UNKNOWN_USER}`));
    expect(refusal(await root.call('DELETE', `/api/admin/service_accounts/${id}`))).toEqual(missing);
    const list = await root.call<{ data: { id: string }[] }>('GET', '/api/admin/service_accounts');
    expect(list.body.data.map((account) => account.id)).not.toContain(id);
  });

  it('is of its tenant only, and people are none', async () => {
    const id = await makeServiceAccount({ name: 'theirs', tenant_id: 'acme' });
    const annId = await idOf(ann);
    const missing = refusal(await root.call('DELETE', `/api/admin/service_accounts/${UNKNOWN_USER}`));

    expect(missing).toMatchObject({ status: 404 });
    for (const path of [id, `${annId}?tenant_id=acme`, 'x']) {
      expect(refusal(await root.call('DELETE', `/api/admin/service_accounts/${path}`))).toEqual(missing);
    }
    const keys = `/api/admin/service_accounts/${annId}/keys?tenant_id=acme`;
    expect(refusal(await root.call('POST', keys, { name: 'k' }))).toEqual(missing);
    expect((await ann.call('GET', '/api/admin/service_accounts')).status).toBe(403);
    const theirs = await root.call<{ data: { id: string }[] }>(
      'GET',
      '/api/admin/service_accounts?tenant_id=acme',
    );
    expect(theirs.body.data.map((account) => account.id)).toEqual([id]);
  });
});

describe('The routes for keys', () => {
  it('are described with what they take and give', async () => {
    const { body } = await send<{ paths: Record<string, Record<string, unknown>> }>(
      'GET',
      `${app.url}/api/openapi.json`,
    );
    const described = [
      ['/api/auth/keys', 'post', '201', 'NewApiKey'],
      ['/api/auth/keys', 'get', '200', 'ApiKeyList'],
      ['/api/admin/keys', 'get', '200', 'ApiKeyList'],
      ['/api/admin/service_accounts', 'post', '201', 'ServiceAccount'],
      ['/api/admin/service_accounts', 'get', '200', 'ServiceAccountList'],
      ['/api/admin/service_accounts/{id}/keys', 'post', '201', 'NewApiKey'],
    ] as const;
    for (const [path, method, status, name] of described) {
      const schema = { $ref: `#/components/schemas/${name}` };
      expect(body.paths[path]?.[method]).toMatchObject({
        responses: { [status]: { content: { 'application/json': { schema } } } },
      });
    }
  });
});

async function makeServiceAccount(fields: Record<string, unknown>): Promise<string> {
  const made = await root.call<{ id: string }>('POST', '/api/admin/service_accounts', fields);
  return expectStatus(made, 201).body.id;
}

async function ticketPath(api: Api, session: string): Promise<string> {
  const made = await api.call<{ ticket: string }>('POST', '/api/auth/tickets', { session_id: session });
  return `/api/agent/ws?ticket=${expectStatus(made, 201).body.ticket}`;
}

async function serviceKey(id: string): Promise<{ id: string; api: Api }> {
  const path = `/api/admin/service_accounts/${id}/keys`;
  const made = await root.call<KeyBody>('POST', path, { name: 'first' });
  return { id: made.body.id, api: new Api(app.url, expectStatus(made, 201).body.key) };
}
