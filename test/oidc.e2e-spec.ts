import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Api, expectStatus, send, signIn } from './support/api.js';
import { type RunningApp, startApp } from './support/app.js';
import { Browser } from './support/oidc/browser.js';
import { CLIENT, type Person, TestProvider } from './support/oidc/identity-provider.js';
import { TEST_ENV } from './support/test-env.js';
import { until } from './support/until.js';

const LOGIN = '/api/auth/oidc/login';
const CALLBACK = '/api/auth/oidc/callback';
const PUBLIC = 'https://agents.example.com';
const ADA = { sub: 'ada', email: 'Ada@id.test', email_verified: true };

let provider: TestProvider;
let app: RunningApp;
let browser: Browser;

async function start(env: Record<string, string> = {}): Promise<void> {
  provider = await TestProvider.listen();
  const client = { OIDC_CLIENT_ID: CLIENT.id, OIDC_CLIENT_SECRET: CLIENT.secret };
  app = await startApp({ OIDC_ISSUER: provider.issuer, ...client, ...env });
  await provider.serve([app.url + CALLBACK, PUBLIC + CALLBACK]);
}

async function stop(): Promise<void> {
  await app.stop();
  await provider.close();
}

beforeEach(() => {
  browser = new Browser();
});

/** From the link in the console to the address that the provider sends the browser back to. */
async function toCallback(person: Person = ADA, query = ''): Promise<string> {
  provider.person = person;
  return browser.follow(app.url + LOGIN + query, app.url + CALLBACK);
}

async function signInAs(person: Person): Promise<Response> {
  return browser.get(await toCallback(person));
}

interface Me {
  id: string;
  email: string | null;
  tenant_id: string;
  roles: string[];
}

async function me(of = browser): Promise<Me> {
  const response = await of.get(`${app.url}/api/auth/me`);
  expect(response.status).toBe(200);
  return (await response.json()) as Me;
}

/** Status and code of a refusal; what it says to people must not be the provider's words. */
async function refusal(response: Response): Promise<unknown[]> {
  const text = await response.text();
  expect(text).not.toMatch(/evil/);
  return [response.status, (JSON.parse(text) as { code: string }).code];
}

describe('signing in with an identity provider', () => {
  beforeAll(() => start());
  afterAll(() => stop());

  it('cannot be begun while the provider is away, which keeps nothing else from working', async () => {
    provider.isAway = true;
    const answer = await browser.get(app.url + LOGIN);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await refusal(answer)).toEqual([503, 'unavailable']);
    const page = await browser.get(app.url + LOGIN, 'text/html,*/*');
    expect([page.status, page.headers.get('location')]).toEqual([303, '/?sign_in_error=unavailable']);
    expect(await signIn(app.url)).toMatch(/^session=/);
    provider.isAway = false;
    const isBack = async () => (await browser.get(app.url + LOGIN)).status === 302;
    await until('the provider to be asked again', isBack);
  });

  it('is offered', async () => {
    const { body } = await send('GET', `${app.url}/api/auth/methods`);
    const name = new URL(provider.issuer).host;
    expect(body).toEqual({ password: true, oidc: { name, login_url: LOGIN } });
  });

  it('ends on the page that it was begun for, as a member of the default tenant', async () => {
    const response = await browser.get(await toCallback(ADA, '?return_to=/%3Fsession%3Dses_1%23x'));
    expect([response.status, response.headers.get('location')]).toEqual([302, '/?session=ses_1#x']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(browser.cookiesOf(app.url)).toEqual(['session']);
    expect(await me()).toEqual({
      id: expect.stringMatching(/^usr_/),
      email: 'ada@id.test',
      tenant_id: 'default',
      roles: ['member'],
    });
  });

  it('leads to the same account each time, and to a new session whatever was there before', async () => {
    await signInAs(ADA);
    const { id } = await me();
    const first = browser.cookieOf(app.url, 'session');
    await signInAs(ADA);
    expect(browser.cookieOf(app.url, 'session')).not.toBe(first);
    expect((await me()).id).toBe(id);
    const other = new Browser();
    other.setCookie(app.url, 'session', 's%3Afixed.AAAA');
    browser = other;
    await signInAs({ sub: 'eve' });
    expect(other.cookieOf(app.url, 'session')).not.toContain('fixed');
    expect(await me()).toMatchObject({ id: expect.not.stringMatching(id), email: null });
  });

  it('ends at logout, like a login with a password', async () => {
    await signInAs(ADA);
    const cookie = `session=${browser.cookieOf(app.url, 'session')}`;
    const headers = { cookie, 'sec-fetch-site': 'same-origin' };
    expect((await send('POST', `${app.url}/api/auth/logout`, undefined, headers)).status).toBe(204);
    expect((await send('GET', `${app.url}/api/auth/me`, undefined, { cookie })).status).toBe(401);
  });

  it('takes a callback once, also with the same cookie', async () => {
    const callback = await toCallback();
    const cookie = browser.cookieOf(app.url, 'sign-in') ?? '';
    expect((await browser.get(callback)).status).toBe(302);
    browser.setCookie(app.url, 'sign-in', cookie);
    expect(await refusal(await browser.get(callback))).toEqual([401, 'sign_in_failed']);
  });

  it('takes a callback from the browser that began only, unchanged', async () => {
    const callback = await toCallback();
    expect(await refusal(await new Browser().get(callback))).toEqual([401, 'sign_in_failed']);
    const cookie = browser.cookieOf(app.url, 'sign-in') ?? '';
    const forger = new Browser();
    forger.setCookie(
      app.url,
      'sign-in',
      // Not the last one: some of its bits count for nothing.
      cookie.replace(/.(?=.{8}$)/, (one) => (one === 'A' ? 'B' : 'A')),
    );
    expect(await refusal(await forger.get(callback))).toEqual([401, 'sign_in_failed']);
    const other = callback.replace(/state=[^&]+/, 'state=another');
    expect(await refusal(await browser.get(other))).toEqual([401, 'sign_in_failed']);
    expect((await browser.get(callback)).status).toBe(302);
  });

  it('says in its own words that the provider refused', async () => {
    const state = new URL(await toCallback()).searchParams.get('state') ?? '';
    const query = new URLSearchParams({ error: 'access_denied', error_description: '<evil>', state });
    query.set('iss', provider.issuer);
    const answer = await browser.get(`${app.url}${CALLBACK}?${query.toString()}`);
    expect(await refusal(answer)).toEqual([401, 'sign_in_failed']);
    const page = await browser.get(`${app.url}${CALLBACK}?${query.toString()}`, 'text/html');
    expect([page.status, page.headers.get('location')]).toEqual([303, '/?sign_in_error=sign_in_failed']);
  });

  it('fails with a code that the provider did not give for it, or that comes in answer of another one', async () => {
    const wrongCode = (await toCallback()).replace(/code=[^&]+/, 'code=evil');
    expect(await refusal(await browser.get(wrongCode))).toEqual([401, 'sign_in_failed']);
    const wrongIssuer = (await toCallback()).replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.test');
    expect(await refusal(await browser.get(wrongIssuer))).toEqual([401, 'sign_in_failed']);
  });

  it('fails for the moment when the provider goes away in between', async () => {
    const callback = await toCallback();
    provider.isAway = true;
    expect(await refusal(await browser.get(callback))).toEqual([503, 'unavailable']);
    provider.isAway = false;
  });

  it.each(['//evil.test', '/\\evil.test', 'https://evil.test', '/%09/evil.test', 'evil'])(
    'goes nowhere but to a page of this server: not to %s',
    async (path) => {
      const query = path.includes('%') ? path : encodeURIComponent(path);
      expect(await refusal(await browser.get(`${app.url}${LOGIN}?return_to=${query}`))).toEqual([
        400,
        'invalid_request',
      ]);
    },
  );

  it('does not let in who has the address of another account, or was disabled', async () => {
    const taken = { sub: 'mallory', email: TEST_ENV.ADMIN_EMAIL, email_verified: true };
    expect(await refusal(await signInAs(taken))).toEqual([403, 'sign_in_refused']);
    expect(browser.cookieOf(app.url, 'session')).toBeUndefined();

    await signInAs({ sub: 'bob' });
    const { id } = await me();
    const cookie = await signIn(app.url);
    const headers = { cookie, origin: app.url };
    const disabled = await send('PATCH', `${app.url}/api/admin/users/${id}`, { disabled: true }, headers);
    expectStatus(disabled, 200);
    expect((await browser.get(`${app.url}/api/auth/me`)).status).toBe(401);
    expect(await refusal(await signInAs({ sub: 'bob' }))).toEqual([403, 'sign_in_refused']);
  });

  it('keeps its cookie from scripts, other sites and for ten minutes at most', async () => {
    const response = await browser.get(app.url + LOGIN);
    expect(response.headers.getSetCookie().map((line) => line.replace(/=.*?;/, '=…;'))).toEqual([
      expect.stringMatching(/^sign-in=…; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/),
    ]);
  });
});

const foreign = () => new Browser().get(`${app.url}${CALLBACK}?state=x&code=y`);
const wrong = async () => refusal(await browser.get((await toCallback()).replace(/code=[^&]+/, 'code=z')));

describe('too many failed sign-ins with an identity provider', () => {
  beforeAll(() => start({ SIGN_IN_FAILURES: '1' }));
  afterAll(() => stop());

  it('are those that were begun here, and not what another page has a browser ask for', async () => {
    for (let n = 0; n < 10; n += 1) expect(await refusal(await foreign())).toEqual([401, 'sign_in_failed']);
    await signInAs({ sub: 'zoe', email: 'zoe@id.test', email_verified: true });
    expect((await me()).email).toBe('zoe@id.test');

    // The stories before may have failed from here, too.
    const answers: unknown[][] = [];
    for (let n = 0; n < 6; n += 1) answers.push(await wrong());
    expect(answers.at(-1)).toEqual([429, 'too_many_requests']);
  });
});

/** PUBLIC_URL names the address outside; the proxy in front is this test. */
async function comeIn(person: Person): Promise<Response> {
  provider.person = person;
  const callback = await browser.follow(app.url + LOGIN, PUBLIC + CALLBACK);
  return browser.get(callback.replace(PUBLIC, app.url));
}

describe('an identity provider that says tenant and roles', () => {
  const claims = {
    OIDC_TENANT_CLAIM: 'tenant',
    OIDC_ROLES_CLAIM: 'groups',
    OIDC_LINK_VERIFIED_EMAIL: 'true',
  };
  beforeAll(() => start({ ...claims, PUBLIC_URL: PUBLIC }));
  afterAll(() => stop());

  it('is followed at every sign-in', async () => {
    await comeIn({ sub: 'ada', tenant: 'acme', groups: ['staff', 'admin'] });
    const { id } = await me();
    expect(await me()).toMatchObject({ tenant_id: 'acme', roles: ['admin'] });
    await comeIn({ sub: 'ada', tenant: 'acme', groups: ['staff'] });
    expect(await me()).toMatchObject({ id, roles: ['viewer'] });
    const answer = await browser.get(`${app.url}/api/admin/users`);
    expect(await refusal(answer)).toEqual([403, 'forbidden']);
  });

  it('does not move anybody to another tenant, and lets nobody in without one', async () => {
    await comeIn({ sub: 'tom', tenant: 'acme' });
    expect(await refusal(await comeIn({ sub: 'tom', tenant: 'other' }))).toEqual([403, 'sign_in_refused']);
    expect(await refusal(await comeIn({ sub: 'tim' }))).toEqual([403, 'sign_in_refused']);
  });

  it('leads to the account with the verified address', async () => {
    const admin = await Api.as(app.url, 'root', { roles: ['admin'] });
    const account = { email: 'pia@acme.test', password: 'long enough', tenant_id: 'acme' };
    const { body } = expectStatus(await admin.call<Me>('POST', '/api/admin/users', account), 201);
    const pia = { sub: 'pia', tenant: 'acme', email: 'pia@acme.test', groups: ['member'] };
    expect(await refusal(await comeIn(pia))).toEqual([403, 'sign_in_refused']);
    await comeIn({ ...pia, email_verified: true });
    expect(await me()).toMatchObject({ id: body.id, tenant_id: 'acme' });
  });
});
