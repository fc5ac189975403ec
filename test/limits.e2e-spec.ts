import { StatementSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { textReply } from './support/anthropic/anthropic-sse.js';
import { Api, expectStatus, send } from './support/api.js';
import { startApp, type RunningApp } from './support/app.js';
import { FakeUpstream } from './support/fake-upstream.js';
import type { SseStream } from './support/sse-client.js';
import { TEST_ENV, upstreamEnv } from './support/test-env.js';
import { until } from './support/until.js';
import { openSocket, UpgradeRefused } from './support/ws-client.js';

const LIMITS = {
  user: { requests_per_minute: 120, streams: 3, runs: 2, bytes_per_minute: 20_000 },
  key: { runs: 1 },
  tenant: { requests_per_minute: 130 },
};

let upstream: FakeUpstream;
let app: RunningApp;

beforeAll(async () => {
  // Answers that last as long as a test needs them.
  upstream = await FakeUpstream.start(() => ({
    sse: textReply(Array<string>(500).fill('word ')),
    paceMs: 50,
  }));
  app = await startApp({
    ...upstreamEnv(upstream.url),
    LIMITS: JSON.stringify(LIMITS),
    SIGN_IN_FAILURES: '3',
    TITLE_MODEL: 'none',
    SHUTDOWN_GRACE_MS: '0',
  });
});

afterAll(async () => {
  await app?.stop();
  await upstream?.stop();
});

/** A user that no other test has, in a tenant of its own. */
const user = (name: string, tenant = `tenant-${name}`) => Api.as(app.url, name, { tenant_id: tenant });

const times = async <T>(count: number, call: () => Promise<T>): Promise<T[]> => {
  const all: T[] = [];
  for (let n = 0; n < count; n += 1) all.push(await call());
  return all;
};

const atOnce = <T>(count: number, call: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, call));

/** Statements with such text that the embedded database is asked for, by whomever, until it is stopped. */
function countStatements(about: RegExp): { readonly count: number; stop: () => number } {
  const prototype = StatementSync.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const before = new Map(['all', 'run', 'get', 'iterate'].map((name) => [name, prototype[name]!]));
  let count = 0;
  for (const [name, own] of before)
    prototype[name] = function (this: unknown, ...args: unknown[]) {
      if (about.test((this as StatementSync).sourceSQL)) count += 1;
      return Reflect.apply(own, this, args);
    };
  return {
    get count() {
      return count;
    },
    stop: () => (Object.assign(prototype, Object.fromEntries(before)), count),
  };
}

const tooMany = (detail: string) => ({ status: 429, code: 'too_many_requests', detail });

/** Waits until a stream of the session, which has a run, is let in: what has just ended is noticed a moment later. */
const reopened = (ada: Api, sessionId: string): Promise<SseStream> =>
  until('room for a stream', async () => {
    const stream = await ada.open({ session_id: sessionId });
    return (await stream.next()) && stream;
  });

/** A session with a run that lasts. */
async function watched(ada: Api): Promise<string> {
  const sessionId = await ada.createSession();
  await ada.post(sessionId, 'hello');
  return sessionId;
}

describe('requests of a user', () => {
  it('beyond the limit of a minute are refused with the time to wait, and others are not', async () => {
    const ada = await user('requests');
    const first = await ada.call('GET', '/api/auth/me');
    await atOnce(119, () => ada.call('GET', '/api/auth/me'));
    expect(first.headers.get('ratelimit-policy')).toBe('"user";q=120;w=60, "tenant";q=130;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"user";r=119;t=60, "tenant";r=129;t=60$/);

    const refused = await ada.call('GET', '/api/auth/me');
    expect(refused.body).toMatchObject(
      tooMany('The user has used up its 120 requests of this minute: wait, then try again.'),
    );
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(refused.headers.get('ratelimit')).toMatch(/^"user";r=0;t=\d+$/);

    const stream = await ada.read({ session_id: 'ses_01h455vb4pex5vsknk084sn02q' });
    expect([stream.status, stream.blocks.length]).toEqual([200, 0]);
    expect(stream.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    await expect(ada.socket()).rejects.toMatchObject({ status: 429 });

    const eve = await user('eve', 'tenant-requests');
    const later = await times(11, () => eve.call('GET', '/api/auth/me'));
    expect(later.map(({ status }) => status)).toEqual([...Array<number>(10).fill(200), 429]);
    expect(later[10]?.body).toMatchObject(
      tooMany('The tenant has used up its 130 requests of this minute: wait, then try again.'),
    );
  });

  it('are messages of a socket, too: those are rejected, and the socket stays', async () => {
    const ada = await user('messages');
    await atOnce(115, () => ada.call('GET', '/api/auth/me'));
    const socket = await ada.socket();
    for (let n = 0; n < 5; n += 1) socket.sendRaw(JSON.stringify({ event: 'ping', ref: n, data: {} }));
    const last = await socket.nextWhere(({ ref }) => String(ref) === '4');
    expect(last).toMatchObject({ event: 'rejected', data: { code: 'too_many_requests' } });
    expect(socket.frames.map(({ event }) => event)).toEqual(['ack', 'ack', 'ack', 'ack', 'rejected']);
    socket.socket.close();
  });

  it('may hold so many bytes a minute, and not more than that at once', async () => {
    const ada = await user('bytes');
    const title = (length: number) => ada.call('POST', '/api/agent/sessions', { system: 'x'.repeat(length) });
    expectStatus(await title(12_000), 201);
    const refused = await title(12_000);
    expect(refused.body).toMatchObject(
      tooMany('The user has used up its 20000 bytes of this minute: wait, then try again.'),
    );
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expectStatus(await title(2_000), 201);
    expect((await title(20_000)).body).toMatchObject({
      code: 'payload_too_large',
      detail: 'The user may send 20000 bytes a minute.',
    });
  });
});

describe('streams of a user', () => {
  it('beyond the limit: an EventSource is told to come back, all others are refused', async () => {
    const ada = await user('streams');
    const sessionId = await watched(ada);
    const open = [await ada.open({ session_id: sessionId }), await ada.open({ session_id: sessionId })];
    const socket = await ada.socket();

    const late = await fetch(ada.streamUrl({ session_id: sessionId }), { headers: ada.authorization });
    expect(late.status).toBe(200);
    expect(await late.text()).toMatch(/^retry: (\d{4,5})\n$/);
    const posted = await ada.open({}, { body: { content: 'hello' } });
    await posted.ended;
    expect([posted.status, JSON.parse(posted.body)]).toMatchObject([
      429,
      tooMany('The user has 3 streams open: close one first.'),
    ]);
    expect(Number(posted.headers['retry-after'])).toBeGreaterThanOrEqual(5);
    const refused = await ada.socket().catch((error: unknown) => error as UpgradeRefused);
    expect(refused).toBeInstanceOf(UpgradeRefused);
    expect(refused).toMatchObject({ status: 429 });
    expect(await ada.call('GET', '/api/agent/sessions')).toMatchObject({
      body: { data: [{ id: sessionId }] },
    });

    socket.socket.close();
    open.push(await reopened(ada, sessionId));
    for (const stream of open) stream.cut();
  });

  it('are free again however they ended: hundreds that are cut, refused or over leave nothing behind', async () => {
    const ada = await user('cuts');
    const sessionId = await watched(ada);
    for (let round = 0; round < 15; round += 1) {
      const all = await Promise.all([1, 2, 3, 4].map(() => ada.open({ session_id: sessionId })));
      for (const stream of all) stream.cut();
    }
    for (let round = 0; round < 8; round += 1) {
      const sockets = await Promise.allSettled([1, 2, 3, 4].map(() => ada.socket()));
      for (const each of sockets) if (each.status === 'fulfilled') each.value.socket.terminate();
    }
    const open = [
      await reopened(ada, sessionId),
      await reopened(ada, sessionId),
      await reopened(ada, sessionId),
    ];
    const late = await ada.read({ session_id: sessionId });
    expect([late.status, late.blocks.length]).toEqual([200, 0]);
    for (const stream of open) stream.cut();
  });

  it('that could not be opened for another reason take none', async () => {
    const ada = await user('missing');
    const query = { session_id: 'ses_01h455vb4pex5vsknk084sn02q' };
    const missing = await times(10, () => ada.read(query));
    expect(missing.map(({ status }) => status)).toEqual(Array(10).fill(404));
    const refused = await times(10, () => ada.open({}, { body: { ...query, content: 'hello' } }));
    expect(refused.map(({ status }) => status)).toEqual(Array(10).fill(404));
  });
});

describe('what a connection may do', () => {
  it('includes no flood of pongs that nobody asked for', async () => {
    const ada = await user('pongs');
    const socket = await ada.socket();
    for (let n = 0; n < 101; n += 1) socket.socket.pong();
    expect(await socket.closed).toEqual({ code: 1008, reason: 'too many messages' });
  });

  it('costs the database nothing when its credentials cannot be any', async () => {
    // The server looks after its runs, viewers and audit meanwhile.
    const statements = countStatements(/\b(?:logins|tickets|api_keys|users)\b/);
    const attempts: (() => Promise<unknown>)[] = [
      () => openSocket(app.url),
      () => openSocket(app.url, { headers: { authorization: 'Bearer not.a.token' } }),
      () => openSocket(app.url, { bearerProtocol: 'agl_nothing' }),
      () => openSocket(app.url, { path: '/api/agent/ws?ticket=short' }),
      () => openSocket(app.url, { headers: { cookie: 'session=s%3Aforged.signature', origin: app.url } }),
    ];
    const answers = await Promise.allSettled(
      attempts.flatMap((attempt) => Array.from({ length: 20 }, attempt)),
    );
    const made = statements.count;
    await (await user('statements')).call('GET', '/api/agent/sessions');
    expect(statements.stop()).toBeGreaterThan(made);

    const refused = answers.map(
      (answer) => answer.status === 'rejected' && (answer.reason as UpgradeRefused).status,
    );
    expect(refused).toEqual(Array(100).fill(401));
    expect(made).toBeLessThan(20);
  });
});

describe('open runs of a user', () => {
  it('beyond the limit are refused before anything of them is stored; what started before is answered', async () => {
    const ada = await user('runs');
    const sessionId = await ada.createSession();
    const path = `/api/agent/sessions/${sessionId}/messages`;
    const first = await ada.call<{ run: { id: string } }>(
      'POST',
      path,
      { content: 'a' },
      { 'idempotency-key': 'a' },
    );
    await ada.post(sessionId, 'b');

    const refused = await ada.call('POST', path, { content: 'c' }, { 'idempotency-key': 'c' });
    expect(refused.body).toMatchObject(tooMany('The user has 2 open runs: wait for one, or cancel one.'));
    expect(refused.headers.get('retry-after')).toBe('5');
    const again = await ada.call('POST', path, { content: 'a' }, { 'idempotency-key': 'a' });
    expect([again.status, again.body]).toMatchObject([202, { run: { id: first.body.run.id } }]);
    expect((await ada.runsOf(sessionId)).length).toBe(2);
    const streamed = await ada.open({}, { body: { content: 'in a new session' } });
    expect(streamed.status).toBe(429);
    expect((await ada.call<{ data: unknown[] }>('GET', '/api/agent/sessions')).body.data).toHaveLength(1);

    for (const run of await ada.runsOf(sessionId)) await ada.cancel(run.id);
    const retried = await ada.call<{ run: { id: string } }>(
      'POST',
      path,
      { content: 'c' },
      { 'idempotency-key': 'c' },
    );
    expect(retried.status).toBe(202);
    await ada.cancel(retried.body.run.id);
  });

  it('that twenty calls ask for at once are as many as allowed', async () => {
    const ada = await user('burst');
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => ada.open({}, { body: { content: 'go' } })),
    );
    const started = answers.filter(({ status }) => status === 200);
    expect(started.length).toBeLessThanOrEqual(2);
    expect(started.length).toBeGreaterThan(0);
    for (const answer of answers) answer.cut();
  });
});

const signIn = (email: string, password: string, headers = {}) =>
  send('POST', `${app.url}/api/auth/token`, { email, password }, headers);
const outcome = ({ status, body }: { status: number; body: Record<string, unknown> }) => ({
  status,
  body: { ...body, request_id: '' },
});

describe('failed sign-ins', () => {
  it('of one account are refused after so many, alike for accounts that there are and that there are not', async () => {
    const { ADMIN_EMAIL, ADMIN_PASSWORD } = TEST_ENV;
    for (let round = 0; round < 2; round += 1) {
      await times(2, () => signIn(ADMIN_EMAIL, 'wrong'));
      expect((await signIn(ADMIN_EMAIL, ADMIN_PASSWORD)).status).toBe(200);
    }
    const known = await times(3, () => signIn(ADMIN_EMAIL, 'wrong'));
    const unknown = await times(3, () => signIn('nobody@example.com', 'wrong'));
    expect(known.map(outcome)).toEqual(unknown.map(outcome));
    expect(known.map(({ status }) => status)).toEqual([401, 401, 401]);

    const refused = [
      await signIn(ADMIN_EMAIL.toUpperCase(), ADMIN_PASSWORD),
      await signIn('nobody@example.com', 'x'),
    ];
    expect(outcome(refused[0]!)).toEqual(outcome(refused[1]!));
    expect(refused[0]?.body).toMatchObject(tooMany('Too many sign-ins have failed: wait, then try again.'));
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(3_000);
  });

  it('from one address are refused after so many, whatever a header says of the address', async () => {
    // Any page can have a visitor's browser ask for this; it is no try to sign in.
    const callback = `${app.url}/api/auth/oidc/callback?state=x`;
    const none = await atOnce(20, () => send('GET', callback));
    expect(none.map(({ status }) => status)).toEqual(Array(20).fill(401));
    const answers: number[] = [];
    for (let n = 0; answers.at(-1) !== 429 && n < 16; n += 1) {
      const forged = { 'x-forwarded-for': `203.0.113.${n}`, forwarded: `for=203.0.113.${n}` };
      answers.push((await signIn(`guess${n}@example.com`, 'wrong', forged)).status);
    }
    // Ten of the fifteen are those of the test before.
    expect(answers).toEqual([401, 401, 401, 401, 401, 429]);
  });
});
