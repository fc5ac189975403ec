import { describe, expect, it } from '@jest/globals';
import { may } from './permissions.js';
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
