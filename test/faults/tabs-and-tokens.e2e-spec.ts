import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { textReply } from '../support/anthropic/anthropic-sse.js';
import { Api, signIn } from '../support/api.js';
import { faultsOf, textOf } from '../support/event-list.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { ServerProcess } from '../support/server-process.js';
import { openSse } from '../support/sse-client.js';
import { TEST_ENV, upstreamEnv } from '../support/test-env.js';
import { within } from '../support/until.js';
import { openSocket } from '../support/ws-client.js';

const WORDS = Array.from({ length: 64 }, (_, n) => `word ${n} `);
const ANSWER = WORDS.join('');

let upstream: FakeUpstream;
let server: ServerProcess;

beforeAll(async () => {
  upstream = await FakeUpstream.start(({ body }) => ({
    sse: textReply(WORDS),
    paceMs: JSON.stringify(body.messages).includes('slowly') ? 90 : 10,
  }));
  server = await ServerProcess.start({ env: upstreamEnv(upstream.url) });
});

afterAll(async () => {
  await server?.stop();
  await upstream?.stop();
});

/** A token of Ada's that ends in so many seconds; milliseconds of the epoch at which it does. */
async function tokenFor(seconds: number): Promise<{ token: string; ends: number }> {
  const ends = Math.floor(Date.now() / 1000) + seconds;
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setSubject('ada')
    .setIssuedAt()
    .setExpirationTime(ends)
    .sign(new TextEncoder().encode(TEST_ENV.JWT_SECRET));
  return { token, ends: ends * 1000 };
}

describe('row 31: two tabs of one session', () => {
  it('row 31: show the same events with the same ids, and one run', async () => {
    const headers = { cookie: await signIn(server.url), origin: server.url, 'sec-fetch-site': 'same-origin' };
    const admin = new Api(server.url, '');
    const call = <T>(method: string, path: string, body?: unknown) =>
      admin.call<T>(method, `/api/agent/sessions${path}`, body, { ...headers, authorization: '' });
    const { body: session } = await call<{ id: string }>('POST', '', {});
    const open = () => openSse(admin.streamUrl({ session_id: session.id }), { headers });
    const first = await open();
    await call('POST', `/${session.id}/messages`, { content: 'please' });
    await first.nextWhere(({ event }) => event === 'token');
    const second = await open();

    await within(30_000, 'both tabs to see the end', Promise.all([first.ended, second.ended]));

    const { body: runs } = await call<{ data: unknown[] }>('GET', `/${session.id}/runs`);
    process.stdout.write(
      `two tabs: ${first.events.length} and ${second.events.length} events, ${runs.data.length} run\n`,
    );
    expect(faultsOf(first.events)).toEqual([]);
    expect(textOf(first.events)).toBe(ANSWER);
    expect(second.events).toEqual(first.events);
    expect(runs.data).toHaveLength(1);
    expect(upstream.calls).toHaveLength(1);
  });
});

describe('row 47: a token that ends while its stream is open', () => {
  it('row 47: ends the stream and the socket soon after it, and a new token goes on without loss', async () => {
    const whole = await Api.as(server.url, 'ada');
    const session = await whole.createSession();
    const { token, ends } = await tokenFor(2);
    const brief = new Api(server.url, token);
    const run = await brief.post(session, 'slowly');
    const [stream, socket] = await Promise.all([
      brief.open({ session_id: session }),
      openSocket(server.url, { headers: brief.authorization }),
    ]);
    await socket.ask('subscribe', { run_id: run.id });

    const late = (closed: Promise<unknown>) => closed.then(() => Date.now() - ends);
    const [sseMs, socketMs] = await within(
      65_000,
      'both to be closed',
      Promise.all([late(stream.ended), late(socket.closed)]),
    );

    process.stdout.write(
      `token: stream closed ${sseMs} ms and socket ${socketMs} ms after its end (bar 60000)\n`,
    );
    for (const ms of [sseMs, socketMs]) {
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(60_000);
    }
    expect([await stream.ended, stream.parser.whole, (await socket.closed).code]).toEqual([
      'end',
      true,
      4401,
    ]);
    expect((await whole.run(run.id)).status).toBe('running');
    const anew = new Api(server.url, (await tokenFor(60)).token);
    for (const { events } of [stream, socket]) {
      const rest = await anew.read({ session_id: session }, { lastEventId: events.at(-1)!.id });
      const list = [...events, ...rest.events];
      expect(faultsOf(list)).toEqual([]);
      expect(textOf(list)).toBe(ANSWER);
      const again = await anew.socket();
      await again.ask('subscribe', { run_id: run.id, last_event_id: events.at(-1)!.id });
      await again.nextWhere(({ event }) => event === 'done');
      expect([...events, ...again.events]).toEqual(list);
      await again.close();
    }
  });
});
