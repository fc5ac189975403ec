import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, bearerOf, expectStatus, send, signIn, tokenFor } from '../support/api.js';
import { Cluster } from '../support/cluster/cluster.js';
import { tell } from '../support/cluster/figures.js';
import { asking, byPlan } from '../support/cluster/plan.js';
import { describeWith } from '../support/cluster/stores.js';
import { openSse, type SseStream } from '../support/sse-client.js';
import { TEST_ENV } from '../support/test-env.js';
import { within } from '../support/until.js';
import { type AgentSocket, openSocket } from '../support/ws-client.js';

const BAR_MS = 5_000;
const PASSWORD = 'long enough';
/** Says nothing while it is watched: what ends it is not the run. */
const QUIET = [{ words: 2, paceMs: 60_000 }];

/** Somebody with an account and a run, who comes in with these headers. */
interface Somebody {
  id: string;
  email: string;
  session: string;
  headers: Record<string, string>;
}

describeWith(['sql'], 'access that ends on one server', () => {
  let cluster: Cluster;
  let root: Api;
  let users = 0;

  beforeAll(async () => {
    cluster = await Cluster.start({ log: 'sql', nodes: 2, script: byPlan });
    const url = urlOf(0);
    root = new Api(url, await tokenFor(url, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD));
  });
  afterAll(() => cluster?.stop());

  const urlOf = (node: number) => cluster.nodes[node]!.url;

  async function somebody(): Promise<Somebody> {
    users += 1;
    const email = `user-${users}@example.com`;
    const answer = await root.call<{ id: string }>('POST', '/api/admin/users', { email, password: PASSWORD });
    const { id } = expectStatus(answer, 201).body;
    const api = await Api.as(urlOf(0), id);
    const session = await api.createSession();
    await api.post(session, asking(`quiet-${users}`, QUIET));
    return { id, email, session, headers: { authorization: `Bearer ${await bearerOf(id)}` } };
  }

  async function byCookie(who: Somebody): Promise<Somebody> {
    const cookie = await signIn(urlOf(0), who.email, PASSWORD);
    return { ...who, headers: { cookie } };
  }

  async function byKey(who: Somebody): Promise<Somebody & { keyId: string }> {
    const answer = await send<{ id: string; key: string }>(
      'POST',
      `${urlOf(0)}/api/auth/keys`,
      { name: 'robot', scopes: ['agent:read', 'agent:write'] },
      { ...who.headers, 'content-type': 'application/json' },
    );
    const { id, key } = expectStatus(answer, 201).body;
    return { ...who, keyId: id, headers: { authorization: `Bearer ${key}` } };
  }

  /** What a page of that server sends with its cookie. */
  const sentTo = (node: number, { headers }: Somebody) =>
    headers['cookie'] === undefined
      ? headers
      : { ...headers, origin: urlOf(node), 'sec-fetch-site': 'same-origin' };

  async function watch(node: number, who: Somebody): Promise<{ stream: SseStream; socket: AgentSocket }> {
    const headers = sentTo(node, who);
    const url = `${urlOf(node)}/api/agent/stream?session_id=${who.session}`;
    const stream = await openSse(url, { headers });
    const socket = await openSocket(urlOf(node), { headers });
    await socket.ask('subscribe', { session_id: who.session });
    await stream.nextWhere(({ event }) => event === 'run');
    return { stream, socket };
  }

  /** Ends it on the first server, and tells how what is open on both came to its end. */
  async function ended(what: string, who: Somebody, end: () => Promise<{ status: number; text: string }>) {
    const open = await Promise.all([watch(0, who), watch(1, who)]);
    const others = await watch(1, await somebody());
    const answer = await end();
    expect([[200, 204], answer.text]).toEqual([expect.arrayContaining([answer.status]), answer.text]);
    const began = performance.now();
    const late = async (over: Promise<unknown>) =>
      within(30_000, 'an end', over).then(() => performance.now() - began);
    const ms = await Promise.all(
      open.flatMap(({ stream, socket }) => [late(stream.ended), late(socket.closed)]),
    );
    const ends = await Promise.all(
      open.map(async ({ stream, socket }) => [
        await stream.ended,
        stream.parser.whole,
        (await socket.closed).code,
      ]),
    );
    const again = await openSse(`${urlOf(1)}/api/agent/stream?session_id=${who.session}`, {
      headers: sentTo(1, who),
    });
    again.cut();
    expect((await others.socket.ask('ping', {})).event).toBe('ack');
    expect(others.stream.blocks.length).toBeGreaterThan(0);
    others.stream.cut();
    others.socket.socket.terminate();
    tell(
      `${what}: streams and sockets of two servers ended after ${ms.map(Math.round).join(', ')} ms (bar ${BAR_MS})`,
    );
    return { slowest: Math.max(...ms), ends, again: again.status };
  }

  const ALL_OVER = [
    ['end', true, 4401],
    ['end', true, 4401],
  ];

  const admin = (method: string, who: Somebody, path = '', body?: unknown) =>
    root.call(method, `/api/admin/users/${who.id}${path}`, body);

  describe('and on the other within five seconds', () => {
    it('logout', async () => {
      const ann = await byCookie(await somebody());
      const headers = sentTo(0, ann);
      const over = await ended('logout', ann, () =>
        send('POST', `${urlOf(0)}/api/auth/logout`, undefined, headers),
      );

      expect(over).toMatchObject({ ends: ALL_OVER, again: 401 });
      expect(over.slowest).toBeLessThan(BAR_MS);
    });

    it('all logins, by cookie and by token', async () => {
      const ann = await somebody();
      const cookie = await byCookie(ann);
      const open = await watch(1, cookie);
      const over = await ended('all logins', ann, () => admin('DELETE', ann, '/sessions'));

      expect(over).toMatchObject({ ends: ALL_OVER, again: 401 });
      expect(over.slowest).toBeLessThan(BAR_MS);
      expect(await within(BAR_MS, 'the stream of the cookie', open.stream.ended)).toBe('end');
      expect((await within(BAR_MS, 'the socket of the cookie', open.socket.closed)).code).toBe(4401);
    });

    it('a disabled user', async () => {
      const ann = await somebody();
      const over = await ended('disabled', ann, () => admin('PATCH', ann, '', { disabled: true }));

      expect(over).toMatchObject({ ends: ALL_OVER, again: 401 });
      expect(over.slowest).toBeLessThan(BAR_MS);
    });

    it('a role that is taken away; the stream may come back to read', async () => {
      const ann = await somebody();
      const over = await ended('role removed', ann, () => admin('PATCH', ann, '', { roles: ['viewer'] }));

      expect(over).toMatchObject({ ends: ALL_OVER, again: 200 });
      expect(over.slowest).toBeLessThan(BAR_MS);
    });

    it('an API key', async () => {
      const ann = await somebody();
      const key = await byKey(ann);
      const over = await ended('API key', key, () =>
        send('DELETE', `${urlOf(0)}/api/auth/keys/${key.keyId}`, undefined, ann.headers),
      );

      expect(over).toMatchObject({ ends: ALL_OVER, again: 401 });
      expect(over.slowest).toBeLessThan(BAR_MS);
    });
  });

  it('is refused on the other at once: the next action on its socket, and the next call', async () => {
    const ann = await somebody();
    const socket = await openSocket(urlOf(1), { headers: ann.headers });
    await admin('PATCH', ann, '', { roles: ['viewer'] });

    const asked = await Promise.race([
      socket
        .ask('start', { content: asking('never', QUIET) })
        .then(({ event, data }) => [event, data['code']]),
      socket.closed.then(({ code }) => ['closed', code]),
    ]);
    const posted = await send('POST', `${urlOf(1)}/api/agent/sessions`, {}, ann.headers);

    expect([
      ['rejected', 'forbidden'],
      ['closed', 4401],
    ]).toContainEqual(asked);
    expect(posted.status).toBe(403);
    socket.socket.terminate();
  });
});
