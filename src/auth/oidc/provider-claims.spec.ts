import { describe, expect, it } from '@jest/globals';
import { hasAllClaims, providerUser, type Claims } from './provider-claims.js';

const NONE = { tenantClaim: undefined, rolesClaim: undefined };
const BOTH = { tenantClaim: 'tenant', rolesClaim: 'realm_access.roles' };

const read = (claims: Claims, names: { tenantClaim?: string; rolesClaim?: string } = {}) =>
  providerUser('https://id.test', 'ada', claims, { ...NONE, ...names });
const rolesIn = (claim: unknown) => read({ groups: claim }, { rolesClaim: 'groups' }).roles;

describe('what a provider says of somebody', () => {
  it('is who they are, and nothing about tenant and roles where these are not its matter', () => {
    expect(read({ email: 'Ada@Id.test', email_verified: true, roles: ['admin'], tenant: 'acme' })).toEqual({
      issuer: 'https://id.test',
      subject: 'ada',
      email: { address: 'ada@id.test', isVerified: true },
      tenantId: undefined,
      roles: undefined,
    });
  });

  it.each([
    [true, true],
    ['true', true],
    [false, false],
    ['false', false],
    ['yes', undefined],
    [1, undefined],
    [undefined, undefined],
  ])('calls an address with email_verified %j verified: %j', (claim, expected) => {
    expect(read({ email: 'a@b', email_verified: claim }).email?.isVerified).toBe(expected);
  });

  it.each([undefined, '', 'ada', 'a b@c', 7, ['a@b']])('has no address in %j', (email) => {
    expect(read({ email }).email).toBeNull();
  });

  it.each([
    [
      ['admin', 'member'],
      ['admin', 'member'],
    ],
    [['Admin', 'owner', 'member', 'member', 7], ['member']],
    ['member viewer', ['member', 'viewer']],
    ['admin,owner', ['admin']],
    [[], ['viewer']],
    ['owner', ['viewer']],
    [{ admin: true }, ['viewer']],
    [undefined, ['viewer']],
    [null, ['viewer']],
  ])('means by the roles %j', (claim, expected) => {
    expect(rolesIn(claim)).toEqual(expected);
  });

  it('may name claims by a path, or by a name with dots in it', () => {
    expect(read({ realm_access: { roles: ['admin'] } }, BOTH).roles).toEqual(['admin']);
    expect(read({ 'realm_access.roles': ['member'] }, BOTH).roles).toEqual(['member']);
    expect(read({}, { rolesClaim: 'constructor.name' }).roles).toEqual(['viewer']);
    expect(read({}, { rolesClaim: '__proto__' }).roles).toEqual(['viewer']);
  });

  it.each([
    ['acme', 'acme'],
    ['', null],
    ['two words', null],
    [7, null],
    [['acme'], null],
    [undefined, null],
  ])('means by the tenant %j %j', (claim, expected) => {
    expect(read({ tenant: claim }, BOTH).tenantId).toBe(expected);
  });

  it('is whole when all that is looked for is in it', () => {
    expect(hasAllClaims({ email: 'a@b' }, NONE)).toBe(true);
    expect(hasAllClaims({}, NONE)).toBe(false);
    expect(hasAllClaims({ email: 'a@b', tenant: 'x' }, BOTH)).toBe(false);
    expect(hasAllClaims({ email: 'a@b', tenant: 'x', realm_access: { roles: [] } }, BOTH)).toBe(true);
  });
});
