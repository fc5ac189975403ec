import { globSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { setTimeout as delay } from 'node:timers/promises';
import { Api, expectStatus, send, signIn, tokenFor } from '../support/api.js';
import { tell } from '../support/cluster/figures.js';
import { PostgresServer } from '../support/cluster/store-processes.js';
import { describeWith } from '../support/cluster/stores.js';
import { placeOf } from '../support/event-list.js';
import { openSse } from '../support/sse-client.js';
import { TEST_ENV } from '../support/test-env.js';
import { until, within } from '../support/until.js';
import { openSocket } from '../support/ws-client.js';
import { Stage } from './stores-stage.js';

const SECOND = 1_000;
const HOUR_S = 3_600;
const TALK = { turns: 1, words: 80, paceMs: 25 };
/** Of the Debian package faketime. */
const FAKETIME = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0];

describeWith(['sql'], 'servers that differ', () => {
  let postgres: PostgresServer;
  let stage: Stage | undefined;

  beforeAll(async () => {
    postgres = await PostgresServer.start();
  });

  afterEach(async () => {
    await stage?.stop();
    stage = undefined;
  });

  afterAll(() => postgres?.stop());

  const withFaketime = FAKETIME !== undefined || process.env['CI'] ? it : it.skip;
  withFaketime(
    'row 46: clocks an hour ahead and behind: no run changes hands, no event its number',
    async () => {
      if (FAKETIME === undefined) throw new Error('There is no libfaketime: apt-get install faketime.');
      const skews = ['+0', '+1h', '-1h'];
      const nodeEnv = (index: number) =>
        index === 0 ? {} : { LD_PRELOAD: FAKETIME, FAKETIME: skews[index], DONT_FAKE_MONOTONIC: '1' };
      // Tokens are valid by every clock here; those of an hour end before it on the server that is ahead.
      stage = await Stage.start({ postgres }, { nodes: 3, nodeEnv, token: await longToken() });
      const clocks = await Promise.all([0, 1, 2].map((node) => clockOf(stage!.cluster.nodes[node]!.url)));
      expect(clocks.map((at) => Math.round((at - clocks[0]!) / (HOUR_S * SECOND)))).toEqual([0, 1, -1]);

      for (const node of [0, 1, 2]) await stage.run(`46-${node}`, TALK, node);
      await stage.expectWhole();

      const rows = await stage.cluster.query<{ attempt: number }>('select attempt from runs');
      expect(rows.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
      tell(
        `row 46: clocks +1 h and -1 h on two of three servers: 0 takeovers in 3 runs of 4 s (lease 1.5 s), seq dense`,
      );
    },
  );

  it('row 48: a login ended and a user disabled on another server: streams and sockets close everywhere', async () => {
    stage = await Stage.start({ postgres });
    const [here, there] = stage.cluster.nodes.map(({ url }) => url) as [string, string];
    const closedAfter = { login: 0, user: 0 };

    const cookie = await signIn(here);
    const asOwner = await watchForEnd(there, { cookie, origin: there, 'sec-fetch-site': 'same-origin' });
    const headers = { cookie, origin: here, 'sec-fetch-site': 'same-origin' };
    expectStatus(await send('POST', `${here}/api/auth/logout`, {}, headers), 204);
    closedAfter.login = await asOwner.closed();

    const admin = await tokenFor(here, TEST_ENV.ADMIN_EMAIL, TEST_ENV.ADMIN_PASSWORD);
    const administrator = new Api(here, admin);
    const password = 'a password that is long enough';
    const user = expectStatus(
      await administrator.call<{ id: string }>('POST', '/api/admin/users', {
        email: 'eve@example.com',
        password,
      }),
      201,
    ).body;
    const bearer = await tokenFor(there, 'eve@example.com', password);
    const asEve = await watchForEnd(there, { authorization: `Bearer ${bearer}` });
    const disabled = await administrator.call('PATCH', `/api/admin/users/${user.id}`, { disabled: true });
    expectStatus(disabled, 200);
    closedAfter.user = await asEve.closed();

    tell(
      `row 48: closed on the other server ${Math.round(closedAfter.login)} ms after a logout, ` +
        `${Math.round(closedAfter.user)} ms after a user was disabled`,
    );
    expect(Math.max(...Object.values(closedAfter))).toBeLessThanOrEqual(5 * SECOND);
  });
});

async function longToken(): Promise<string> {
  const now = Math.floor(Date.now() / SECOND);
  return new SignJWT({})
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setSubject('ada')
    .setIssuedAt(now - 2 * HOUR_S)
    .setExpirationTime(now + 2 * HOUR_S)
    .sign(new TextEncoder().encode(TEST_ENV.JWT_SECRET));
}

/** The server's clock, by the header of an answer. */
async function clockOf(url: string): Promise<number> {
  return Date.parse((await send('GET', `${url}/health/live`)).headers.get('date')!);
}

/** A stream and a socket of a run that goes on; `closed` gives the milliseconds until the server has ended both. */
async function watchForEnd(url: string, headers: Record<string, string>) {
  const session = expectStatus(
    await send<{ id: string }>('POST', `${url}/api/agent/sessions`, {}, headers),
    201,
  );
  const path = `${url}/api/agent/sessions/${session.body.id}/messages`;
  const content = `48: 1 turns of 1000 words, 20 ms apart`;
  const { run } = expectStatus(
    await send<{ run: { id: string } }>('POST', path, { content }, headers),
    202,
  ).body;
  const stream = await openSse(`${url}/api/agent/stream?session_id=${session.body.id}`, { headers });
  const socket = await openSocket(url, { headers });
  await socket.ask('subscribe', { run_id: run.id });
  await until('events to be seen', () => stream.events.length > 5 && socket.events.length > 5);
  return {
    closed: async (): Promise<number> => {
      const from = performance.now();
      const ends = Promise.all([stream.ended, socket.closed]);
      const [ended, { code }] = await within(10 * SECOND, 'stream and socket to be closed', ends);
      const took = performance.now() - from;
      expect([ended, code]).toEqual(['end', 4401]);
      const seen = [stream, socket].map(({ events }) => placeOf(events.at(-1)!.id).seq);
      await delay(200);
      expect([stream, socket].map(({ events }) => placeOf(events.at(-1)!.id).seq)).toEqual(seen);
      return took;
    },
  };
}
