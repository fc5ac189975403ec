import { beforeEach, describe, expect, it } from '@jest/globals';
import { type CryptoKey, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { IdentityProvider } from './identity-provider.js';

const ISSUER = 'https://id.test/realm';
const CALLBACK = 'https://agents.test/api/auth/oidc/callback';
const SETTINGS = {
  issuer: new URL(ISSUER),
  clientId: 'agentline',
  clientSecret: 'a secret of this spec',
  scopes: 'openid email',
  tenantClaim: undefined,
  rolesClaim: undefined,
  linksVerifiedEmail: false,
  publicOrigin: undefined,
};
const METADATA = {
  issuer: ISSUER,
  authorization_endpoint: 'https://id.test/authorize',
  token_endpoint: 'https://id.test/token',
  userinfo_endpoint: 'https://id.test/userinfo',
  jwks_uri: 'https://id.test/keys',
};

type Answer = (body: URLSearchParams) => unknown;

/** A provider of a few fixed answers; `answers` may be changed by the test. */
function setUp(metadata: object = METADATA) {
  const asked: string[] = [];
  const clock = { now: Date.now() };
  const answers: Record<string, Answer> = {
    '/realm/.well-known/openid-configuration': () => metadata,
    '/userinfo': () => ({ sub: 'ada', email: 'ada@id.test', email_verified: true }),
  };
  let key: CryptoKey;
  const tools = {
    now: () => clock.now,
    fetch: async (url: string, { body }: { body?: unknown }) => {
      const { pathname } = new URL(url);
      asked.push(pathname);
      const answer = await answers[pathname]?.(new URLSearchParams(String(body)));
      if (answer instanceof Response) return answer;
      if (answer === undefined) throw new Error('connect ECONNREFUSED');
      return Response.json(answer);
    },
    keysAt: () => ({
      verify: async (token: string, _header: unknown, options: object) => jwtVerify(token, key, options),
    }),
  };
  const provider = new IdentityProvider(SETTINGS, tools);
  return { provider, asked, answers, clock, trust: (trusted: CryptoKey) => (key = trusted) };
}

let own: Awaited<ReturnType<typeof generateKeyPair>>;
let other: Awaited<ReturnType<typeof generateKeyPair>>;
beforeEach(async () => {
  own ??= await generateKeyPair('RS256');
  other ??= await generateKeyPair('RS256');
});

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return 'none';
  } catch (error) {
    const { code, message, cause } = error as Error & { code: string };
    return { code, message, cause: cause instanceof Error ? cause.message : cause };
  }
}

function idToken() {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, sub: 'ada', aud: 'agentline', iat: now, exp: now + 60 };
}

/** A sign-in up to the callback, with an ID token of these claims, signed with that key. */
async function signIn(claims: object = {}, key = own.privateKey, change: Record<string, Answer> = {}) {
  const { provider, answers, trust, asked } = setUp();
  trust(own.publicKey);
  const { begun } = await provider.begin(CALLBACK, '/');
  Object.assign(answers, {
    '/token': async () => ({
      access_token: 'an access token',
      token_type: 'Bearer',
      id_token: await new SignJWT({ ...idToken(), nonce: begun.nonce, ...claims })
        .setProtectedHeader({ alg: 'RS256' })
        .sign(key),
    }),
    ...change,
  });
  const answer = new URLSearchParams({ code: 'a code', state: begun.state });
  return { finished: provider.finish(begun, answer), asked };
}

describe('an identity provider', () => {
  it('is sent what it needs to know, and nothing that is for us alone', async () => {
    const { provider } = setUp();
    const { begun, address } = await provider.begin(CALLBACK, '/there');
    expect(Object.fromEntries(address.searchParams)).toEqual({
      client_id: 'agentline',
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid email',
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    expect(address.href).not.toContain(begun.verifier);
    expect(begun).toMatchObject({ redirect_uri: CALLBACK, return_to: '/there' });
  });

  it('is asked about itself once, however many sign in, and again after an hour', async () => {
    const { provider, asked, clock } = setUp();
    await Promise.all([provider.begin(CALLBACK, '/'), provider.begin(CALLBACK, '/')]);
    await provider.begin(CALLBACK, '/');
    expect(asked).toHaveLength(1);
    clock.now += 3_600_000;
    await provider.begin(CALLBACK, '/');
    expect(asked).toHaveLength(2);
  });

  it('is not there when none is configured', async () => {
    const none = new IdentityProvider(null, {
      fetch,
      keysAt: () => ({ verify: async () => {} }),
      now: Date.now,
    });
    expect(await failure(none.begin(CALLBACK, '/'))).toMatchObject({ code: 'not_found' });
  });

  it('may be away: asked again a moment later, not by everybody at once', async () => {
    const { provider, asked, answers, clock } = setUp();
    const discovery = answers['/realm/.well-known/openid-configuration']!;
    delete answers['/realm/.well-known/openid-configuration'];
    const away = {
      code: 'unavailable',
      message: 'The identity provider does not answer properly. Try again later.',
    };
    expect(await failure(provider.begin(CALLBACK, '/'))).toEqual({ ...away, cause: 'connect ECONNREFUSED' });
    expect(await failure(provider.begin(CALLBACK, '/'))).toMatchObject(away);
    expect(asked).toHaveLength(1);
    clock.now += 500;
    answers['/realm/.well-known/openid-configuration'] = discovery;
    expect(await failure(provider.begin(CALLBACK, '/'))).toBe('none');
  });

  it('may be away later: what it said about itself still counts', async () => {
    const { provider, answers, clock } = setUp();
    await provider.begin(CALLBACK, '/');
    delete answers['/realm/.well-known/openid-configuration'];
    clock.now += 3_600_000;
    expect(await failure(provider.begin(CALLBACK, '/'))).toBe('none');
    expect(await failure(provider.begin(CALLBACK, '/'))).toBe('none');
  });

  it.each([
    ['another issuer', { ...METADATA, issuer: 'https://evil.test' }],
    ['no keys', { ...METADATA, jwks_uri: undefined }],
  ])('is not believed with %s', async (_name, metadata) => {
    expect(await failure(setUp(metadata).provider.begin(CALLBACK, '/'))).toMatchObject({
      code: 'unavailable',
    });
  });

  it.each([302, 500, 503, 429])('is away when it answers with status %d', async (status) => {
    const { provider, answers } = setUp();
    answers['/realm/.well-known/openid-configuration'] = () =>
      new Response('{}', { status, headers: { location: 'https://evil.test/' } });
    expect(await failure(provider.begin(CALLBACK, '/'))).toMatchObject({ code: 'unavailable' });
  });
});

describe('what it answers', () => {
  it('is who has signed in', async () => {
    const { finished } = await signIn();
    expect(await finished).toEqual({
      issuer: ISSUER,
      subject: 'ada',
      email: { address: 'ada@id.test', isVerified: true },
      tenantId: undefined,
      roles: undefined,
    });
  });

  it('is looked up only where the ID token does not say it', async () => {
    const { finished, asked } = await signIn({ email: 'of@token.test' });
    expect(await finished).toMatchObject({ email: { address: 'of@token.test', isVerified: undefined } });
    expect(asked).not.toContain('/userinfo');
  });

  const FAILED = 'The identity provider did not sign you in. Try again.';

  it.each<[string, object]>([
    ['of another sign-in', { nonce: 'another' }],
    ['of no sign-in', { nonce: undefined }],
    ['of another issuer', { iss: 'https://evil.test' }],
    ['for another client', { aud: 'other' }],
    ['over', { exp: 1_000_000_000 }],
    ['without an end', { exp: undefined }],
    ['about nobody', { sub: undefined }],
  ])('does not count when the ID token is %s', async (_name, claims) => {
    const { finished } = await signIn(claims);
    expect(await failure(finished)).toMatchObject({ code: 'sign_in_failed', message: FAILED });
  });

  it('does not count when somebody else has signed the ID token', async () => {
    const { finished } = await signIn({}, other.privateKey);
    expect(await failure(finished)).toMatchObject({ code: 'sign_in_failed', message: FAILED });
  });

  it('does not count when the user info is somebody else’s', async () => {
    const { finished } = await signIn({}, own.privateKey, {
      '/userinfo': () => ({ sub: 'eve', email: 'e@e' }),
    });
    expect(await failure(finished)).toMatchObject({ code: 'sign_in_failed' });
  });

  it('is told to the log without tokens, and to the person without its words', async () => {
    const refusal = { error: 'invalid_grant', error_description: 'grant request is invalid' };
    const { finished } = await signIn({}, own.privateKey, {
      '/token': () => Response.json(refusal, { status: 400 }),
    });
    const told = (await failure(finished)) as { message: string; cause: string };
    expect(told.message).toBe(FAILED);
    expect(told.cause).toContain('invalid_grant');
  });

  it('may be that it is away', async () => {
    const { finished } = await signIn({}, own.privateKey, {
      '/token': () => new Response('', { status: 502 }),
    });
    expect(await failure(finished)).toMatchObject({
      code: 'unavailable',
      cause: 'It answers with status 502.',
    });
  });
});
