import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { AuthModule } from '../src/auth/auth.module.js';
import { Revocations } from '../src/auth/revocations.service.js';
import { Database } from '../src/database/database.js';
import { newId } from '../src/database/ids.js';
import { textReply } from './support/anthropic/anthropic-sse.js';
import { Api, bearerOf, expectStatus, type RunBody, send, signIn, tokenFor } from './support/api.js';
import { type RunningApp, startApp } from './support/app.js';
import { FakeUpstream } from './support/fake-upstream.js';
import { openSse, type SseStream } from './support/sse-client.js';
import { TEST_ENV, upstreamEnv } from './support/test-env.js';
import { within } from './support/until.js';
import { type AgentSocket, openSocket } from './support/ws-client.js';

/** Of the application: what another node does is done there, and this one finds out when it looks. */
let database: Database;
let revocations: Revocations;

@Injectable()
class OtherNode {
  constructor(opened: Database, watching: Revocations) {
    database = opened;
    revocations = watching;
  }
}

class AroundApp {}

let upstream: FakeUpstream;
let app: RunningApp;
let root: Api;

beforeAll(async () => {
  upstream = await FakeUpstream.start(() => ({ sse: textReply(['one ', 'two']), stallAfterPieces: 3 }));
  app = await startApp({ ...upstreamEnv(upstream.url), SHUTDOWN_GRACE_MS: '0' }, (application) => ({
    module: AroundApp,
    imports: [application, AuthModule],
    providers: [OtherNode],
  }));
  root = new Api(app.url, await tokenFor(app.url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** Somebody with an account, a session, and a run in it that does not end by itself. */
interface Somebody {
  id: string;
  email: string;
  api: Api;
  session: string;
  run: RunBody;
}

const PASSWORD = 'long enough';

async function somebody(): Promise<Somebody> {
  const email = `${newId('usr')}@example.com`;
  const answer = await root.call<{ id: string }>('POST', '/api/admin/users', { email, password: PASSWORD });
  const { id } = expectStatus(answer, 201).body;
  const api = new Api(app.url, await bearerOf(id, { gen: 0 }));
  const session = await api.createSession();
  return { id, email, api, session, run: await api.post(session, 'wait') };
}

const change = (id: string, body: unknown) => root.call('PATCH', `/api/admin/users/${id}`, body);

/** What another node would do; this one does not look for it until something is opened again. */
async function changeElsewhere(id: string, values: { roles_json?: string; disabled_at?: number }) {
  revocations.onApplicationShutdown();
  await database.acrossTenants().updateTable('users').set(values).where('id', '=', id).execute();
}

async function watching({ api, session }: Somebody): Promise<{ stream: SseStream; socket: AgentSocket }> {
  const [stream, socket] = await Promise.all([api.open({ session_id: session }), api.socket()]);
  await socket.ask('subscribe', { session_id: session });
  await stream.nextWhere(({ event }) => event === 'token');
  return { stream, socket };
}

/** How both have ended: a stream after a whole event, as an `EventSource` needs it. */
async function endOf({ stream, socket }: { stream: SseStream; socket: AgentSocket }) {
  const [end, { code }] = await within(5_000, 'both to end', Promise.all([stream.ended, socket.closed]));
  return { end, isWhole: stream.parser.whole, code };
}

/** A path of theirs. */
const placed = (path: string, { id, session, run }: Somebody) =>
  path.replace('SESSION', session).replace('RUN', run.id).replace('USER', id);

const ENDED = { end: 'end', isWhole: true, code: 4401 };

describe('A viewer', () => {
  let ann: Somebody;
  beforeAll(async () => {
    ann = await somebody();
    await change(ann.id, { roles: ['viewer'] });
  });

  it.each<[string, string, unknown]>([
    ['POST', '/api/agent/sessions', {}],
    ['PATCH', '/api/agent/sessions/SESSION', { title: 'x' }],
    ['DELETE', '/api/agent/sessions/SESSION', undefined],
    ['POST', '/api/agent/sessions/SESSION/fork', {}],
    ['POST', '/api/agent/sessions/SESSION/messages', { content: 'x' }],
    ['POST', '/api/agent/stream', { content: 'x' }],
    ['POST', '/api/agent/runs/RUN/cancel', undefined],
    ['POST', '/api/agent/runs/RUN/tool_calls/toolu_1/decision', { decision: 'approve' }],
    ['POST', '/api/agent/runs/RUN/revert', {}],
    ['GET', '/api/admin/users', undefined],
    ['GET', '/api/admin/users/USER', undefined],
    ['POST', '/api/admin/users', { email: 'x@example.com', password: PASSWORD }],
    ['PATCH', '/api/admin/users/USER', { roles: ['admin'] }],
    ['DELETE', '/api/admin/users/USER/sessions', undefined],
    ['GET', '/metrics', undefined],
  ])('is refused %s %s', async (method, path, body) => {
    const answer = await ann.api.call(method, placed(path, ann), body);

    expect([answer.status, answer.body['code']]).toEqual([403, 'forbidden']);
  });

  it.each([
    '/api/agent/sessions',
    '/api/agent/sessions/SESSION',
    '/api/agent/sessions/SESSION/messages',
    '/api/agent/sessions/SESSION/runs',
    '/api/agent/runs/RUN',
    '/api/agent/agents',
    '/api/agent/tools',
    '/api/agent/usage',
    '/api/auth/me',
  ])('reads %s', async (path) => {
    expect((await ann.api.call('GET', placed(path, ann))).status).toBe(200);
  });

  it('watches on a socket, and is refused what changes something', async () => {
    const socket = await ann.api.socket();
    const ask = async (event: string, data: unknown) => {
      const frame = await socket.ask(event, data);
      return [event, frame.event, frame.data['code']];
    };
    const { run, session } = ann;
    const decision = { run_id: run.id, tool_call_id: 'toolu_1', decision: 'approve' };

    expect(await ask('start', { content: 'x' })).toEqual(['start', 'rejected', 'forbidden']);
    expect(await ask('cancel', { run_id: run.id })).toEqual(['cancel', 'rejected', 'forbidden']);
    expect(await ask('decide', decision)).toEqual(['decide', 'rejected', 'forbidden']);
    expect(await ask('subscribe', { session_id: session })).toEqual(['subscribe', 'ack', undefined]);
    await socket.nextWhere(({ event }) => event === 'token');
    expect(await ask('unsubscribe', { session_id: session })).toEqual(['unsubscribe', 'ack', undefined]);
    expect(await ask('ping', {})).toEqual(['ping', 'ack', undefined]);
    expect(await ann.api.runsOf(session)).toMatchObject([{ id: run.id, status: 'running' }]);
    await socket.close();
  });
});

describe('A role that is taken away (S29)', () => {
  it('ends streams and sockets; the stream comes back to read, and may no more than that', async () => {
    const ann = await somebody();
    const open = await watching(ann);

    await change(ann.id, { roles: ['viewer'] });

    const refused = await open.socket.ask('cancel', { run_id: ann.run.id });
    expect([refused.event, refused.data['code']]).toEqual(['rejected', 'forbidden']);
    expect(await endOf(open)).toEqual(ENDED);
    const again = await ann.api.open({ session_id: ann.session }, { lastEventId: open.stream.events[0]!.id });
    expect(again.status).toBe(200);
    expect(await again.next()).toMatchObject({ id: open.stream.events[1]!.id });
    again.cut();
    expect((await ann.api.cancel(ann.run.id)).status).toBe(403);
    expect((await ann.api.run(ann.run.id)).status).toBe('running');
  });

  it('by another node is missed by the next action on a socket, before the socket ends', async () => {
    const ann = await somebody();
    const { stream, socket } = await watching(ann);

    await changeElsewhere(ann.id, { roles_json: '["viewer"]' });

    const refused = await socket.ask('cancel', { run_id: ann.run.id });
    expect([refused.event, refused.data['code']]).toEqual(['rejected', 'forbidden']);
    expect((await ann.api.run(ann.run.id)).status).toBe('running');
    stream.cut();
    socket.socket.terminate();
  });

  it('changes nothing for what is open when the role that is left allows the same', async () => {
    const ann = await somebody();
    await change(ann.id, { roles: ['member', 'viewer'] });
    const { stream, socket } = await watching(ann);

    await change(ann.id, { roles: ['member'] });

    expect((await socket.ask('cancel', { run_id: ann.run.id })).event).toBe('ack');
    expect(await stream.nextWhere(({ event }) => event === 'done')).toBeDefined();
    socket.socket.terminate();
  });
});

describe('A user who is disabled', () => {
  it('sees streams and sockets end and is 401 then; the run goes on', async () => {
    const ann = await somebody();
    const open = await watching(ann);

    await change(ann.id, { disabled: true });

    expect(await endOf(open)).toEqual(ENDED);
    expect((await ann.api.open({ session_id: ann.session })).status).toBe(401);
    expect((await ann.api.cancel(ann.run.id)).status).toBe(401);
    const { runs } = await database
      .acrossTenants()
      .selectFrom('runs')
      .select((eb) => eb.fn.countAll<number>().as('runs'))
      .where('id', '=', ann.run.id)
      .where('status', '=', 'running')
      .executeTakeFirstOrThrow();
    expect(runs).toBe(1);
  });

  it('by another node does nothing more on a socket, which ends with that', async () => {
    const ann = await somebody();
    const { stream, socket } = await watching(ann);

    await changeElsewhere(ann.id, { disabled_at: 1 });

    const refused = await socket.ask('cancel', { run_id: ann.run.id });
    expect([refused.event, refused.data['code']]).toEqual(['rejected', 'unauthenticated']);
    expect((await within(5_000, 'the socket to close', socket.closed)).code).toBe(4401);
    stream.cut();
  });
});

describe('All logins of a user', () => {
  it('end with their streams and sockets, by cookie and by token (S12, S14)', async () => {
    const ann = await somebody();
    const cookie = await signIn(app.url, ann.email, PASSWORD);
    const headers = { cookie, origin: app.url, 'sec-fetch-site': 'same-origin' };
    const url = ann.api.streamUrl({ session_id: ann.session });
    const byToken = await watching(ann);
    const byCookie = {
      stream: await openSse(url, { headers }),
      socket: await openSocket(app.url, { headers }),
    };
    const { body } = await ann.api.call<{ ticket: string }>('POST', '/api/auth/tickets', {
      session_id: ann.session,
    });

    expectStatus(await root.call('DELETE', `/api/admin/users/${ann.id}/sessions`), 204);

    expect([await endOf(byToken), await endOf(byCookie)]).toEqual([ENDED, ENDED]);
    expect((await openSse(url, { headers })).status).toBe(401);
    await expect(openSocket(app.url, { headers })).rejects.toMatchObject({ status: 401 });
    expect((await send('POST', `${app.url}/api/agent/sessions`, {}, headers)).status).toBe(401);
    expect((await ann.api.call('GET', '/api/auth/me')).status).toBe(401);
    expect((await openSse(`${url}&ticket=${body.ticket}`)).status).toBe(401);
  });

  it('end when the user changes the password', async () => {
    const ann = await somebody();
    const open = await watching(ann);

    const said = { current: PASSWORD, new: 'another password' };
    expectStatus(await ann.api.call('POST', '/api/auth/password', said), 204);

    expect(await endOf(open)).toEqual(ENDED);
  });
});

async function keyOf(who: Somebody, scopes: string[]): Promise<{ id: string; api: Api }> {
  const path = '/api/auth/keys';
  const answer = await who.api.call<{ id: string; key: string }>('POST', path, { name: 'robot', scopes });
  const { id, key } = expectStatus(answer, 201).body;
  return { id, api: new Api(app.url, key) };
}

describe('The own logins', () => {
  interface Login {
    id: string;
    current: boolean;
    remote_address: string;
  }
  const logins = (cookie: string) =>
    send<{ data: Login[] }>('GET', `${app.url}/api/auth/logins`, undefined, { cookie });

  it('are listed for their user alone, and each can be ended with its streams (ASVS V7.5.2)', async () => {
    const ann = await somebody();
    const [here, there] = [
      await signIn(app.url, ann.email, PASSWORD),
      await signIn(app.url, ann.email, PASSWORD),
    ];
    const { body } = expectStatus(await logins(here), 200);
    expect(body.data.filter(({ current }) => current)).toHaveLength(1);
    expect(body.data).toHaveLength(2);
    expect(new Set(body.data.map(({ remote_address: address }) => address))).toEqual(new Set(['127.0.0.1']));
    const other = body.data.find(({ current }) => !current)!;
    const stream = await openSse(ann.api.streamUrl({ session_id: ann.session }), {
      headers: { cookie: there },
    });
    await stream.nextWhere(({ event }) => event === 'token');

    const end = (headers: Record<string, string>) =>
      send('DELETE', `${app.url}/api/auth/logins/${other.id}`, undefined, {
        ...headers,
        'sec-fetch-site': 'same-origin',
      });
    const bob = await somebody();
    expect((await end({ cookie: await signIn(app.url, bob.email, PASSWORD) })).status).toBe(404);
    expect((await end({ cookie: here })).status).toBe(204);
    await within(5_000, 'the stream to end', stream.ended);
    expect((await logins(there)).status).toBe(401);
    expect((await end({ cookie: here })).status).toBe(404);
    expect((await logins(here)).body.data).toHaveLength(1);
  });
});

describe('An API key', () => {
  it('is good on a socket for what it is for', async () => {
    const ann = await somebody();
    const ask = async (scope: string, event: string, data: unknown) => {
      const socket = await (await keyOf(ann, [scope])).api.socket();
      const frame = await socket.ask(event, data);
      socket.socket.terminate();
      return frame.event === 'ack' ? 'ack' : frame.data['code'];
    };
    const session = { session_id: ann.session };

    expect(await ask('agent:read', 'subscribe', session)).toBe('ack');
    expect(await ask('agent:write', 'subscribe', session)).toBe('forbidden');
    expect(await ask('agent:read', 'cancel', { run_id: ann.run.id })).toBe('forbidden');
    expect(await ask('agent:write', 'cancel', { run_id: ann.run.id })).toBe('ack');
  });

  it('ends with its streams and sockets, and leaves the others of its user', async () => {
    const ann = await somebody();
    const key = await keyOf(ann, ['agent:read']);
    const open = await watching({ ...ann, api: key.api });
    const other = await watching(ann);
    const { body } = await key.api.call<{ ticket: string }>('POST', '/api/auth/tickets', {
      session_id: ann.session,
    });

    expectStatus(await ann.api.call('DELETE', `/api/auth/keys/${key.id}`), 204);

    expect(await endOf(open)).toEqual(ENDED);
    expect((await key.api.open({ session_id: ann.session })).status).toBe(401);
    const url = ann.api.streamUrl({ session_id: ann.session, ticket: body.ticket });
    expect((await openSse(url)).status).toBe(401);
    expect((await other.socket.ask('ping', {})).event).toBe('ack');
    other.stream.cut();
    other.socket.socket.terminate();
  });
});
