import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  base64url,
  CompactSign,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  type JWTPayload,
} from 'jose';
import { AppError } from '../../errors/app-error.js';
import { AccessTokenIssuer } from './access-token-issuer.js';
import { AccessTokenVerifier } from './access-token-verifier.js';

const SECRET = 'a secret that both sides share, long enough';
const now = () => Math.floor(Date.now() / 1000);
const valid = () => ({ sub: 'usr_1', exp: now() + 600 });

type Header = { alg: string; [name: string]: unknown };

const shared = new AccessTokenVerifier({ secret: SECRET });

function hs256(payload: JWTPayload, header: Omit<Header, 'alg'> = {}, secret = SECRET): Promise<string> {
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(new TextEncoder().encode(secret));
}

/** A token with any header whatever, with a signature that fits nothing. */
function unsigned(header: object, payload: object, signature = ''): string {
  return `${base64url.encode(JSON.stringify(header))}.${base64url.encode(JSON.stringify(payload))}.${signature}`;
}

function hs512(): Promise<string> {
  return new SignJWT(valid()).setProtectedHeader({ alg: 'HS512' }).sign(new TextEncoder().encode(SECRET));
}

/** RFC 7519 appendix A.2, without saying so in the header. */
function nested(token: string): Promise<string> {
  return new CompactSign(new TextEncoder().encode(token))
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
}

function changed(token: string): string {
  const [header, , signature] = token.split('.');
  return `${header}.${base64url.encode(JSON.stringify({ ...valid(), sub: 'usr_2' }))}.${signature}`;
}

function uriOf(of: Server): string {
  return `http://127.0.0.1:${(of.address() as AddressInfo).port}/jwks`;
}

async function outcome(verifier: AccessTokenVerifier, token: string | Promise<string>): Promise<string> {
  try {
    await verifier.verify(await token);
    return 'valid';
  } catch (error) {
    return error instanceof AppError ? `${error.status} ${error.code}` : String(error);
  }
}

describe('A token with the shared secret', () => {
  it('tells user, tenant, roles and end', async () => {
    const exp = now() + 600;
    const token = await hs256({ sub: 'usr_1', exp, tenant_id: 'acme', roles: ['admin'], email: 'a@b' });

    expect(await shared.verify(token)).toEqual({
      sub: 'usr_1',
      exp,
      tenant_id: 'acme',
      roles: ['admin'],
      email: 'a@b',
    });
  });

  it('tells when and in which generation it was made, and for which scopes', async () => {
    const token = await hs256({ ...valid(), iat: 1_700_000_000, gen: 3, scope: 'openid  agent:read' });
    expect(await shared.verify(token)).toMatchObject({
      iat: 1_700_000_000,
      gen: 3,
      scope: ['openid', 'agent:read'],
    });
    const list = await shared.verify(await hs256({ ...valid(), scope: ['agent:read'] }));
    expect(list.scope).toEqual(['agent:read']);
  });

  it('may be one that the secret before has signed', async () => {
    const rotated = new AccessTokenVerifier({ secret: 'the new secret', previousSecret: SECRET });
    expect(await outcome(rotated, hs256(valid()))).toBe('valid');
    expect(await outcome(rotated, hs256(valid(), {}, 'the new secret'))).toBe('valid');
    expect(await outcome(rotated, hs256(valid(), {}, 'another'))).toBe('401 unauthenticated');
    expect(await outcome(rotated, hs256({ sub: 'usr_1', exp: now() - 60 }))).toBe('401 unauthenticated');
  });

  it('belongs to the default tenant when it names none', async () => {
    expect(await shared.verify(await hs256(valid()))).toMatchObject({ tenant_id: 'default', roles: [] });
  });

  it('may be checked with a short secret while developing', async () => {
    const verifier = new AccessTokenVerifier({ secret: 'x' });
    expect(await outcome(verifier, hs256(valid(), {}, 'x'))).toBe('valid');
  });

  const NOT_VALID = '401 unauthenticated';

  it.each<[string, () => string | Promise<string>, string]>([
    ['as it should be', () => hs256(valid()), 'valid'],
    ['alg none', () => unsigned({ alg: 'none' }, valid()), NOT_VALID],
    ['alg None', () => unsigned({ alg: 'None' }, valid()), NOT_VALID],
    ['alg nOnE', () => unsigned({ alg: 'nOnE', typ: 'JWT' }, valid()), NOT_VALID],
    ['no alg', () => unsigned({ typ: 'JWT' }, valid()), NOT_VALID],
    ['alg HS512 with the secret', () => hs512(), NOT_VALID],
    ['another secret', () => hs256(valid(), {}, `${SECRET}!`), NOT_VALID],
    ['changed payload', async () => changed(await hs256(valid())), NOT_VALID],
    ['cut signature', async () => (await hs256(valid())).slice(0, -4), NOT_VALID],
    ['two parts', () => 'a.b', NOT_VALID],
    ['five parts', () => 'a.b.c.d.e', NOT_VALID],
    ['nothing', () => '', NOT_VALID],
    ['not JSON', () => 'AAAA.BBBB.CCCC', NOT_VALID],
    ['no exp', () => hs256({ sub: 'usr_1' }), NOT_VALID],
    ['exp as text', () => hs256({ sub: 'usr_1', exp: String(now() + 600) as never }), NOT_VALID],
    ['exp now', () => hs256({ sub: 'usr_1', exp: now() }), NOT_VALID],
    ['exp 3 s ago', () => hs256({ sub: 'usr_1', exp: now() - 3 }), NOT_VALID],
    ['exp an hour ago', () => hs256({ sub: 'usr_1', exp: now() - 3600 }), NOT_VALID],
    ['nbf in 50 s (clocks differ)', () => hs256({ ...valid(), nbf: now() + 50 }), 'valid'],
    ['nbf in 70 s', () => hs256({ ...valid(), nbf: now() + 70 }), NOT_VALID],
    ['no sub', () => hs256({ exp: now() + 600 }), NOT_VALID],
    ['empty sub', () => hs256({ sub: '', exp: now() + 600 }), NOT_VALID],
    ['sub with a zero byte', () => hs256({ ...valid(), sub: 'usr_1\0' }), NOT_VALID],
    ['tenant_id that is no text', () => hs256({ ...valid(), tenant_id: 7 }), NOT_VALID],
    ['empty tenant_id', () => hs256({ ...valid(), tenant_id: '' }), NOT_VALID],
    ['roles that are no list', () => hs256({ ...valid(), roles: 'admin' }), NOT_VALID],
    ['header typ JWT', () => hs256(valid(), { typ: 'JWT' }), 'valid'],
    ['header typ at+jwt', () => hs256(valid(), { typ: 'at+jwt' }), 'valid'],
    ['header typ application/at+jwt', () => hs256(valid(), { typ: 'application/AT+JWT' }), 'valid'],
    ['header typ id_token+jwt', () => hs256(valid(), { typ: 'id_token+jwt' }), NOT_VALID],
    ['header typ logout+jwt', () => hs256(valid(), { typ: 'logout+jwt' }), NOT_VALID],
    ['header typ dpop+jwt', () => hs256(valid(), { typ: 'dpop+jwt' }), NOT_VALID],
    ['payload typ Bearer (Keycloak)', () => hs256({ ...valid(), typ: 'Bearer' }), 'valid'],
    ['payload typ ID', () => hs256({ ...valid(), typ: 'ID' }), NOT_VALID],
    ['payload typ Refresh', () => hs256({ ...valid(), typ: 'Refresh' }), NOT_VALID],
    ['payload typ Offline', () => hs256({ ...valid(), typ: 'Offline' }), NOT_VALID],
    ['token_use access (Cognito)', () => hs256({ ...valid(), token_use: 'access' }), 'valid'],
    ['token_use id', () => hs256({ ...valid(), token_use: 'id' }), NOT_VALID],
    ['token_use refresh', () => hs256({ ...valid(), token_use: 'refresh' }), NOT_VALID],
    ['token_type access', () => hs256({ ...valid(), token_type: 'access' }), 'valid'],
    ['token_type refresh', () => hs256({ ...valid(), token_type: 'refresh' }), NOT_VALID],
    ['token_type id', () => hs256({ ...valid(), token_type: 'id' }), NOT_VALID],
    ['use refresh', () => hs256({ ...valid(), use: 'refresh' }), NOT_VALID],
    ['use id', () => hs256({ ...valid(), use: 'id' }), NOT_VALID],
    ['at_hash of an ID token', () => hs256({ ...valid(), at_hash: 'x' }), NOT_VALID],
    ['crit', () => hs256(valid(), { crit: ['b64'], b64: true }), NOT_VALID],
    ['zip', () => hs256(valid(), { zip: 'DEF' }), NOT_VALID],
    ['cty of a nested token', () => hs256(valid(), { cty: 'JWT' }), NOT_VALID],
    ['a token in a token', async () => nested(await hs256(valid())), NOT_VALID],
    ['kid that is no text', () => hs256(valid(), { kid: 7 }), NOT_VALID],
    ['iat that is no number', () => hs256({ ...valid(), iat: 'now' as never }), NOT_VALID],
    ['scope that is no list', () => hs256({ ...valid(), scope: { read: true } }), NOT_VALID],
    ['jwk with its own key', () => hs256(valid(), { jwk: { kty: 'oct', k: 'eA' } }, 'x'), NOT_VALID],
  ])('%s', async (_name, make, expected) => {
    expect(await outcome(shared, make())).toBe(expected);
  });
});

describe('Issuer and audience', () => {
  const named = new AccessTokenVerifier({ secret: SECRET, issuer: 'https://id.test', audience: 'agentline' });

  it.each([
    [{ iss: 'https://id.test', aud: 'agentline' }, 'valid'],
    [{ iss: 'https://id.test', aud: ['other', 'agentline'] }, 'valid'],
    [{ iss: 'https://id.test/', aud: 'agentline' }, '401 unauthenticated'],
    [{ iss: 'https://evil.test', aud: 'agentline' }, '401 unauthenticated'],
    [{ iss: 'https://id.test', aud: 'other' }, '401 unauthenticated'],
    [{ aud: 'agentline' }, '401 unauthenticated'],
    [{ iss: 'https://id.test' }, '401 unauthenticated'],
  ])('are compared when they are set: %j', async (claims, expected) => {
    expect(await outcome(named, hs256({ ...valid(), ...claims }))).toBe(expected);
  });
});

describe('A token by a key set', () => {
  const RULES = { issuer: 'https://id.test', audience: 'agentline' };
  const KEYS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;
  const keys = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>();
  let server: Server;
  let verifier: AccessTokenVerifier;
  let fetches = 0;

  beforeAll(async () => {
    for (const alg of KEYS) keys.set(alg, await generateKeyPair(alg, { extractable: true }));
    const set = await Promise.all(
      [...keys].map(async ([alg, pair]) => ({ ...(await exportJWK(pair.publicKey)), kid: alg, use: 'sig' })),
    );
    server = createServer((_request, response) => {
      fetches += 1;
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: set }));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    verifier = new AccessTokenVerifier({ ...RULES, jwksUri: uriOf(server) });
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  const claims = () => ({ ...valid(), iss: RULES.issuer, aud: RULES.audience });
  const sign = (alg: (typeof KEYS)[number], header: object = {}, more: object = {}) =>
    new SignJWT({ ...claims(), ...more })
      .setProtectedHeader({ alg, kid: alg, ...header })
      .sign(keys.get(alg)!.privateKey);

  it.each(KEYS)('is taken with %s', async (alg) => {
    expect(await outcome(verifier, sign(alg))).toBe('valid');
  });

  it.each<[string, () => string | Promise<string>]>([
    ['alg none', () => unsigned({ alg: 'none', kid: 'RS256' }, claims())],
    ['alg nOnE', () => unsigned({ alg: 'nOnE', kid: 'RS256' }, claims())],
    ['alg HS256', () => unsigned({ alg: 'HS256', kid: 'RS256' }, claims(), 'AAAA')],
    ['alg RSA1_5', () => unsigned({ alg: 'RSA1_5', kid: 'RS256' }, claims(), 'AAAA')],
    ['no signature', () => unsigned({ alg: 'RS256', kid: 'RS256' }, claims())],
    ['the key of another algorithm', () => sign('ES256', { kid: 'RS256' })],
    ['the key of another curve', () => sign('ES384', { kid: 'ES256' })],
    ['changed payload', async () => changed(await sign('ES256'))],
    ['crit', () => sign('ES256', { crit: ['b64'], b64: true })],
    ['zip', () => sign('ES256', { zip: 'DEF' })],
    ['header typ of a logout token', () => sign('ES256', { typ: 'logout+jwt' })],
    ['no issuer', () => sign('ES256', {}, { iss: undefined })],
    ['another issuer', () => sign('ES256', {}, { iss: 'https://evil.test' })],
    ['another audience', () => sign('ES256', {}, { aud: 'other' })],
    ['an ID token', () => sign('ES256', {}, { at_hash: 'x' })],
    ['a refresh token', () => sign('ES256', {}, { typ: 'Refresh' })],
    ['no exp', () => sign('ES256', {}, { exp: undefined })],
    ['exp past', () => sign('ES256', {}, { exp: now() - 10 })],
    ['nbf in 70 s', () => sign('ES256', {}, { nbf: now() + 70 })],
  ])('is not taken with %s', async (_name, make) => {
    expect(await outcome(verifier, make())).toBe('401 unauthenticated');
  });

  it('carries no generation of ours, whatever it says', async () => {
    expect((await verifier.verify(await sign('ES256', {}, { gen: 9 }))).gen).toBeUndefined();
  });

  it('is not asked about for a header that is none of ours', async () => {
    const before = fetches;
    const cold = new AccessTokenVerifier({ ...RULES, jwksUri: uriOf(server) });
    expect(await outcome(cold, unsigned({ alg: 'none' }, claims()))).toBe('401 unauthenticated');
    expect(await outcome(cold, sign('ES256', { typ: 'dpop+jwt' }))).toBe('401 unauthenticated');
    expect(fetches).toBe(before);
  });

  it('is not taken with HS256 and the public key as the secret', async () => {
    const pem = await exportSPKI(keys.get('RS256')!.publicKey);
    for (const kid of ['RS256', undefined]) {
      const token = hs256(claims(), kid === undefined ? {} : { kid }, pem);
      expect(await outcome(verifier, token)).toBe('401 unauthenticated');
    }
  });

  it('is not taken with a key that the token brings or points to', async () => {
    const own = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(own.publicKey);
    for (const header of [{ jwk }, { jku: 'https://evil.test/jwks' }, { x5u: 'https://evil.test/x' }]) {
      const token = new SignJWT(claims())
        .setProtectedHeader({ alg: 'ES256', kid: 'ES256', ...header })
        .sign(own.privateKey);
      expect(await outcome(verifier, token)).toBe('401 unauthenticated');
    }
  });

  it('is not taken with an unknown key, and unknown keys do not make the set be fetched each time', async () => {
    const before = fetches;
    for (let i = 0; i < 20; i++) {
      expect(await outcome(verifier, sign('ES256', { kid: `unknown-${i}` }))).toBe('401 unauthenticated');
    }
    expect(fetches - before).toBeLessThanOrEqual(3);
  });

  it('cannot be judged while the key set is not there', async () => {
    const broken = createServer((_request, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => {
      broken.listen(0, '127.0.0.1', resolve);
    });
    const unreachable = new AccessTokenVerifier({ ...RULES, jwksUri: uriOf(broken) });

    expect(await outcome(unreachable, sign('ES256'))).toBe('503 unavailable');

    await new Promise((resolve) => {
      broken.close(resolve);
      broken.closeAllConnections();
    });
    expect(await outcome(unreachable, sign('ES256'))).toBe('503 unavailable');
  });
});

describe('A token that this server makes', () => {
  const user = {
    id: 'usr_1',
    tenantId: 'acme',
    email: 'a@b',
    roles: ['admin' as const],
    disabled: false,
    kind: 'person' as const,
    tokenGeneration: 4,
    loginsEndedAt: null,
    createdAt: 1,
  };

  it('is taken by it, for an hour', async () => {
    const rules = { secret: SECRET, issuer: 'https://me.test', audience: 'me' };
    const answer = await new AccessTokenIssuer(rules).issue(user);

    expect({ ...answer, access_token: '' }).toEqual({
      access_token: '',
      token_type: 'Bearer',
      expires_in: 3600,
    });
    const claims = await new AccessTokenVerifier(rules).verify(answer.access_token);
    expect(claims).toMatchObject({ sub: 'usr_1', tenant_id: 'acme', gen: 4 });
    expect(Math.abs((claims.iat ?? 0) - now())).toBeLessThan(5);
    expect(Math.abs(claims.exp - now() - 3600)).toBeLessThan(5);
  });

  it('is never signed with the secret before', async () => {
    const { access_token: token } = await new AccessTokenIssuer({
      secret: SECRET,
      previousSecret: 'old',
    }).issue(user);
    expect(await outcome(shared, token)).toBe('valid');
    expect(await outcome(new AccessTokenVerifier({ secret: 'old' }), token)).toBe('401 unauthenticated');
    const left = new AccessTokenIssuer({ previousSecret: 'old', jwksUri: 'https://id.test/jwks' });
    await expect(left.issue(user)).rejects.toMatchObject({ code: 'not_implemented' });
  });

  it('does not exist where only a key set is configured', async () => {
    const issuer = new AccessTokenIssuer({ jwksUri: 'https://id.test/jwks' });
    await expect(issuer.issue(user)).rejects.toMatchObject({ code: 'not_implemented' });
  });
});
