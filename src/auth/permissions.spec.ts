import { describe, expect, it } from '@jest/globals';
import { administeredTenant, may, refuseLimited, rolesWithin } from './permissions.js';
import type { Permission, Role, Scope } from './principal.js';

const ALL: Permission[] = ['read', 'write', 'decide', 'admin'];
const granted = (roles: Role[], scopes?: Scope[]) => ALL.filter((needed) => may({ roles, scopes }, needed));

describe('what a principal may do', () => {
  it.each<[Role[], Permission[]]>([
    [[], []],
    [['viewer'], ['read']],
    [['member'], ['read', 'write', 'decide']],
    [['admin'], ['read', 'write', 'decide', 'admin']],
    [
      ['viewer', 'member'],
      ['read', 'write', 'decide'],
    ],
  ])('%j: %j', (roles, permissions) => {
    expect(granted(roles)).toEqual(permissions);
  });

  it('is nothing for roles of a newer version, beside what the others are for', () => {
    const roles = ['auditor', 'constructor'] as string[] as Role[];

    expect(granted(roles)).toEqual([]);
    expect(granted([...roles, 'viewer'])).toEqual(['read']);
  });

  it.each<[Scope[], Permission[]]>([
    [[], []],
    [['agent:read'], ['read']],
    [
      ['agent:write', 'agent:decide'],
      ['write', 'decide'],
    ],
    [['agent:admin'], []],
  ])('a member whose credentials are for %j: %j', (scopes, permissions) => {
    expect(granted(['member'], scopes)).toEqual(permissions);
  });
});

describe('roles', () => {
  it('are those of the user, but an administrator’s only where the credentials are for that', () => {
    expect(rolesWithin({ roles: ['viewer', 'admin'] })).toEqual(['viewer', 'admin']);
    expect(rolesWithin({ roles: ['admin'], scopes: ['agent:write', 'agent:admin'] })).toEqual(['admin']);
    expect(rolesWithin({ roles: ['member', 'admin'], scopes: ['agent:write'] })).toEqual(['member']);
    expect(rolesWithin({ roles: ['viewer'], scopes: ['agent:read'] })).toEqual(['viewer']);
  });
});

describe('which tenant an administrator means', () => {
  it('is the own one, unless another is named', () => {
    expect(administeredTenant({ tenantId: 'acme' }, undefined)).toBe('acme');
    expect(administeredTenant({ tenantId: 'acme' }, 'acme')).toBe('acme');
  });

  it('is another only for those of `default`', () => {
    expect(administeredTenant({ tenantId: 'default' }, 'acme')).toBe('acme');
    expect(() => administeredTenant({ tenantId: 'acme' }, 'default')).toThrow('your own tenant only');
  });
});

describe('what is the user’s alone', () => {
  it('is not for a key, nor for a token with scopes', () => {
    expect(refuseLimited({})).toBeUndefined();
    expect(() => refuseLimited({ keyId: 'key_1' })).toThrow('signed in');
    expect(() => refuseLimited({ scopes: ['agent:read', 'agent:admin'] })).toThrow('signed in');
  });
});
