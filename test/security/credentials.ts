import { describe, expect, it } from '@jest/globals';
import { SignJWT, UnsecuredJWT } from 'jose';
import { send } from '../support/api.js';
import { openSse, readSse } from '../support/sse-client.js';
import { TEST_ENV } from '../support/test-env.js';
import { within } from '../support/until.js';
import { openSocket } from '../support/ws-client.js';
import { HANDSHAKE } from '../support/wire/raw-socket.js';
import { bearer, cheap, cookie, ISSUER, ORIGIN, OURS, refusal, refusalOf, type Row, stage } from './stage.js';

const ME = '/api/auth/me';
const secret = new TextEncoder().encode(TEST_ENV.JWT_SECRET);
const now = () => Math.floor(Date.now() / 1000);

const me = (...headers: string[]) => stage.raw(`GET ${ME}`, headers).then(refusal);
const byToken = (token: string) => me(`Authorization: Bearer ${token}`);

function signed(claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ iss: ISSUER, sub: 'ada', exp: now() + 600, ...claims })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...header })
    .sign(secret);
}

/** A token whose header says that nobody signed it. */
function unsigned(alg: string): string {
  const [, payload = ''] = new UnsecuredJWT({ iss: ISSUER, sub: 'ada', exp: now() + 600 })
    .encode()
    .split('.');
  return `${Buffer.from(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url')}.${payload}.`;
}

/** A right token with a part of another. */
async function mixed(): Promise<string> {
  const [header, , signature] = (await signed({})).split('.');
  const [, payload] = (await signed({ sub: 'eve', roles: ['admin'] })).split('.');
  return `${header}.${payload}.${signature}`;
}

const NO = '401 unauthenticated';
const TOKENS: Row[] = [
  ...['none', 'None', 'nOnE', 'NONE'].map((alg): Row => [
    'S16',
    `a token with the algorithm ${alg}`,
    () => byToken(unsigned(alg)),
    NO,
  ]),
  ['S17', 'a token whose payload was changed', async () => byToken(await mixed()), NO],
  ['S17', 'a token without its signature', async () => byToken((await signed({})).replace(/[^.]+$/, '')), NO],
  ['S17', 'a token signed with another secret', async () => byToken(await foreign()), NO],
  ['S18', 'a token that has expired', async () => byToken(await signed({ exp: now() - 120 })), NO],
  ['S18', 'a token that has just expired', async () => byToken(await signed({ exp: now() })), NO],
  ['S18', 'a token for later', async () => byToken(await signed({ nbf: now() + 120 })), NO],
  ['S19', 'a token of another issuer', async () => byToken(await signed({ iss: 'https://evil.test' })), NO],
  ['S19', 'a token of two issuers', async () => byToken(await signed({ iss: [ISSUER] })), NO],
  ['S20', 'an ID token', async () => byToken(await signed({ at_hash: 'x', nonce: 'y' }, { typ: 'JWT' })), NO],
  ['S20', 'a token of the type id+jwt', async () => byToken(await signed({}, { typ: 'id+jwt' })), NO],
  ['S20', 'a refresh token', async () => byToken(await signed({ typ: 'Refresh' })), NO],
  ['S20', 'a logout token', async () => byToken(await signed({}, { typ: 'logout+jwt' })), NO],
  ['S21', 'a token without an end', async () => byToken(await signed({ exp: undefined })), NO],
  ['S21', 'a token whose end is no number', async () => byToken(await signed({ exp: '9999999999' })), NO],
  ...['', 'a', 'a.b', 'a.b.c', '....', 'x'.repeat(8_000), `${'A'.repeat(4_000)}.${'A'.repeat(4_000)}.`].map(
    (text): Row => ['S17', `a token of ${text.length} characters that is none`, () => byToken(text), NO],
  ),
];

async function foreign(): Promise<string> {
  return new SignJWT({ iss: ISSUER, sub: 'ada', exp: now() + 600 })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .sign(new TextEncoder().encode('another secret, which is as long as the right one'));
}

const value = () => stage.admin.cookie.slice('session='.length);
const inQuery = (query: string) =>
  stage.raw(`GET /api/agent/stream?session_id=${stage.session}&${query}`).then(refusal);

const PLACES: Row[] = [
  ['S15', 'the cookie in the query', () => inQuery(`session=${value()}`), NO],
  ['S15', 'a token as access_token in the query', () => inQuery(`access_token=${stage.ada.token}`), NO],
  ['S15', 'a token as token in the query', () => inQuery(`token=${stage.ada.token}`), NO],
  [
    'S15',
    'a token as authorization in the query',
    () => inQuery(`authorization=Bearer%20${stage.ada.token}`),
    NO,
  ],
  ['S15', 'a token as a ticket', () => inQuery(`ticket=${stage.ada.token}`), NO],
  [
    'S15',
    'a token in the body',
    () =>
      stage
        .post(ME.replace('me', 'tickets'), { session_id: stage.session, access_token: stage.ada.token }, [])
        .then(refusal),
    NO,
  ],
  ['S36', 'a socket of nobody', () => stage.raw('GET /api/agent/ws', HANDSHAKE).then(refusal), NO],
  [
    'S36',
    'a socket with a token in the query',
    () => stage.raw(`GET /api/agent/ws?access_token=${stage.ada.token}`, HANDSHAKE).then(refusal),
    NO,
  ],
  [
    'S36',
    'a socket with a ticket that nobody made',
    () => stage.raw(`GET /api/agent/ws?ticket=${'a'.repeat(43)}`, HANDSHAKE).then(refusal),
    NO,
  ],
];

const MIXED: Row[] = [
  ['S23', 'two Authorization headers', () => me(bearer(stage.ada), bearer(stage.eve)), '400 invalid_request'],
  [
    'S23',
    'the same Authorization header twice',
    () => me(bearer(stage.ada), bearer(stage.ada)),
    '400 invalid_request',
  ],
  [
    'S23',
    'the cookie of one and the token of another',
    () => me(cookie(stage.admin.cookie), bearer(stage.ada)),
    '400 mixed_credentials',
  ],
  [
    'S23',
    'a socket with two tokens',
    () =>
      stage
        .raw('GET /api/agent/ws', [
          ...HANDSHAKE,
          bearer(stage.ada),
          `Sec-WebSocket-Protocol: agent.v1, bearer.${stage.eve.token}`,
        ])
        .then(refusal),
    '400 invalid_request',
  ],
  [
    'S23',
    'a socket with two Authorization headers',
    () => stage.raw('GET /api/agent/ws', [...HANDSHAKE, bearer(stage.ada), bearer(stage.eve)]).then(refusal),
    '400 invalid_request',
  ],
];

/** A login with a stream and a socket that are open. */
async function openLogin(who: { email: string; password: string }) {
  const id = await stage.signIn(who.email, who.password);
  const headers = { cookie: id, origin: ORIGIN, 'sec-fetch-site': 'same-origin' };
  const made = await send<{ id: string }>('POST', `${stage.url}/api/agent/sessions`, {}, headers);
  const stream = await openSse(`${stage.url}/api/agent/stream?session_id=${made.body.id}`, { headers });
  const socket = await openSocket(stage.url, { headers });
  return { id, headers, session: made.body.id, stream, socket };
}

type Login = Awaited<ReturnType<typeof openLogin>>;

/** After a login has ended, whoever ended it. */
async function expectOver({ headers, session, stream, socket }: Login): Promise<void> {
  const answers = [
    await send('GET', `${stage.url}/api/agent/stream?session_id=${session}`, undefined, headers),
    await send('POST', `${stage.url}/api/agent/stream`, { content: 'x' }, headers),
    await send('GET', `${stage.url}${ME}`, undefined, headers),
  ];
  expect(answers.map(refusalOf)).toEqual([NO, NO, NO]);
  const handshake = ['Cookie: ' + headers.cookie, `Origin: ${ORIGIN}`];
  expect(refusal(await stage.raw('GET /api/agent/ws', [...HANDSHAKE, ...handshake]))).toBe(NO);
  await within(5_000, 'the end of the stream', stream.ended);
  expect((await within(5_000, 'the end of the socket', socket.closed)).code).toBe(4401);
}

export function credentials(): void {
  describe('who is asking', () => {
    it.each(TOKENS)('%s %s is nobody', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it('S16 to S21 are not refused for what is right about them', async () => {
      const answer = await stage.raw(`GET ${ME}`, [bearer(await signed({}))]);
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([200, { id: 'ada' }]);
    });

    it.each(PLACES)('%s %s counts nowhere', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it('S15 a ticket counts in the query, once', async () => {
      const made = await stage.ada.call<{ ticket: string; expires_in: number }>('POST', '/api/auth/tickets', {
        session_id: stage.session,
      });
      expect([made.status, made.body.expires_in]).toEqual([201, 30]);
      const query = `session_id=${stage.session}&ticket=${made.body.ticket}`;
      const first = await readSse(`${stage.url}/api/agent/stream?${query}`);
      expect([first.status, first.events.at(-1)?.event]).toEqual([200, 'done']);
      expect(refusal(await stage.raw(`GET /api/agent/stream?${query}`))).toBe(NO);
    });

    it.each(MIXED)('%s %s is not guessed about', async (_row, _words, ask, expected) => {
      expect(await cheap(ask)).toBe(expected);
    });

    it('S11 a login whose cookie was fixed beforehand has a new one, and the old one is nobody', async () => {
      const fixed = `session=${value()}`;
      const account = await stage.account();
      const headers = { origin: ORIGIN, cookie: 'session=s%3Achosen-by-eve.c2lnbmF0dXJl' };
      const login = await send(
        'POST',
        `${stage.url}/api/auth/login`,
        { email: account.email, password: account.password },
        headers,
      );
      const given = login.headers.getSetCookie().map((text) => text.split(';')[0]!);
      expect([login.status, given.length]).toEqual([200, 1]);
      expect([given[0] === fixed, given[0]!.includes('chosen-by-eve')]).toEqual([false, false]);
      expect(await me(cookie(headers.cookie))).toBe(NO);
      expect((await stage.raw(`GET ${ME}`, [cookie(given[0]!)])).status).toBe(200);
    });

    it('S12 a logout ends the cookie at once, and its streams and sockets', async () => {
      const login = await openLogin(await stage.account());
      const out = await send('POST', `${stage.url}/api/auth/logout`, undefined, login.headers);
      expect(out.status).toBe(204);
      await expectOver(login);
    });

    it('S14 an administrator ends all logins of a user', async () => {
      const account = await stage.account();
      const logins = [await openLogin(account), await openLogin(account)];
      const path = `/api/admin/users/${account.id}/sessions`;
      expect((await stage.admin.api.call('DELETE', path)).status).toBe(204);
      for (const login of logins) await expectOver(login);
    });

    it.each<[string, string, string]>([
      ['POST', '/api/admin/users', '{"email":"x@example.com","password":"long enough"}'],
      ['PATCH', '/api/admin/users/usr_01h455vb4pex5vsknk084sn02q', '{"roles":["admin"]}'],
      ['DELETE', '/api/admin/users/usr_01h455vb4pex5vsknk084sn02q/sessions', ''],
      ['GET', '/metrics', ''],
    ])('S22 %s %s is not for a member', async (method, path, body) => {
      const type = body === '' ? [] : ['Content-Type: application/json'];
      const asked = () => stage.raw(`${method} ${path}`, [bearer(stage.ada), ...type], body);
      expect(refusal(await cheap(asked))).toBe('403 forbidden');
    });

    it.each<[string, string]>([
      ['/api/agent/sessions', '{}'],
      ['/api/agent/stream', '{"content":"x"}'],
    ])('S22 POST %s is not for a viewer', async (path, body) => {
      const account = await stage.account(['viewer']);
      const token = await stage.tokenOf(account.email, account.password);
      expect(refusal(await stage.post(path, body, [bearer(token)]))).toBe('403 forbidden');
      expect((await stage.get('/api/agent/sessions', [bearer(token)])).status).toBe(200);
    });

    it('S29 a role that is taken away during a stream is missing at the next action', async () => {
      const account = await stage.account(['admin']);
      const login = await openLogin(account);
      const changed = await stage.admin.api.call('PATCH', `/api/admin/users/${account.id}`, {
        roles: ['viewer'],
      });
      expect(changed.status).toBe(200);
      const after = await send('POST', `${stage.url}/api/agent/stream`, { content: 'x' }, login.headers);
      const admin = await send(
        'DELETE',
        `${stage.url}/api/admin/users/${account.id}/sessions`,
        undefined,
        login.headers,
      );
      // Still signed in with less, or signed out: never with what it had.
      for (const answer of [after, admin]) expect(['403 forbidden', NO]).toContain(refusalOf(answer));
      login.socket.socket.terminate();
      login.stream.cut();
    });
  });

  it('S12 leaves the page of others as it was', async () => {
    expect((await stage.raw(`GET ${ME}`, [cookie(stage.admin.cookie), ...OURS])).status).toBe(200);
  });
}
