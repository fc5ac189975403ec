import { describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import type { Accounts } from '../accounts.service.js';
import type { Principal } from '../principal.js';
import { AccessTokenVerifier } from './access-token-verifier.js';
import { JwtStrategy } from './jwt.strategy.js';

const SECRET = 'a secret of this spec, long enough for it';

/** Accounts that nobody has: every principal stands as its token says. */
const nobody = { confirm: async (principal: Principal) => principal } as unknown as Accounts;

async function principalOf(claims: object): Promise<Principal> {
  const token = await new SignJWT({ sub: 'usr_1', exp: 4_000_000_000, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
  return new JwtStrategy(new AccessTokenVerifier({ secret: SECRET }), nobody).validate(token);
}

describe('the principal of an access token', () => {
  it('knows which token it is by', async () => {
    expect(await principalOf({ iat: 1_700_000_000, gen: 2 })).toEqual({
      userId: 'usr_1',
      tenantId: 'default',
      email: null,
      roles: ['member'],
      via: 'bearer',
      loginId: null,
      expiresAt: 4_000_000_000_000,
      scopes: undefined,
      token: { generation: 2, issuedAt: 1_700_000_000_000 },
    });
    expect((await principalOf({})).token).toEqual({ generation: undefined, issuedAt: undefined });
  });

  it.each([
    ['agent:read', ['agent:read']],
    ['openid agent:decide agent:read', ['agent:read', 'agent:decide']],
    [['agent:write', 'profile'], ['agent:write']],
    ['openid profile', undefined],
    ['agent:everything', undefined],
    ['', undefined],
  ])('is for the scopes of %j: %j', async (scope, expected) => {
    expect((await principalOf({ scope })).scopes).toEqual(expected);
  });
});
