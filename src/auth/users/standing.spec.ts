import { describe, expect, it } from '@jest/globals';
import type { Principal } from '../principal.js';
import type { User } from '../user.js';
import { hasLost, standingOf } from './standing.js';

const ANN: User = {
  id: 'usr_ann',
  tenantId: 'acme',
  email: 'ann@acme.test',
  roles: ['member'],
  disabled: false,
  kind: 'person',
  tokenGeneration: 3,
  loginsEndedAt: 5_000,
  createdAt: 1,
};
const PRINCIPAL: Principal = {
  userId: 'usr_ann',
  tenantId: 'acme',
  email: null,
  roles: ['viewer'],
  via: 'bearer',
  loginId: null,
  expiresAt: null,
};

describe('A principal with an account', () => {
  it('has the address and the roles of the account', () => {
    expect(standingOf(PRINCIPAL, ANN)).toEqual({ ...PRINCIPAL, email: 'ann@acme.test', roles: ['member'] });
  });

  it.each<[string, Partial<User>]>([
    ['disabled', { disabled: true }],
    ['no more', { kind: 'deleted' }],
  ])('is nobody when the account is %s', (_name, change) => {
    expect(standingOf(PRINCIPAL, { ...ANN, ...change })).toBeUndefined();
  });

  it.each<[NonNullable<Principal['token']>, boolean]>([
    [{ generation: 2, issuedAt: 9_000 }, false],
    [{ generation: 3, issuedAt: 1_000 }, true],
    [{ generation: 4, issuedAt: undefined }, true],
    [{ generation: undefined, issuedAt: undefined }, false],
    [{ generation: undefined, issuedAt: 5_000 }, false],
    [{ generation: undefined, issuedAt: 5_001 }, true],
  ])('with the token %j stands: %s', (token, stands) => {
    expect(standingOf({ ...PRINCIPAL, token }, ANN) !== undefined).toBe(stands);
  });

  it('stands with any token while its logins were never ended', () => {
    const untouched = { ...ANN, tokenGeneration: 0, loginsEndedAt: null };
    const token = { generation: undefined, issuedAt: undefined };

    expect(standingOf({ ...PRINCIPAL, token }, untouched)).toMatchObject({ userId: 'usr_ann' });
  });
});

describe('A principal without an account', () => {
  it.each<[string, User | undefined]>([
    ['at all', undefined],
    ['in its tenant', { ...ANN, tenantId: 'other', disabled: true }],
  ])('%s is who its token says', (_name, account) => {
    expect(standingOf(PRINCIPAL, account)).toBe(PRINCIPAL);
    expect(hasLost(PRINCIPAL, account)).toBe(false);
  });
});

describe('What is open', () => {
  it.each<[Principal['roles'], User['roles'], boolean]>([
    [['member'], ['member'], false],
    [['member'], ['admin'], false],
    [['admin'], ['member'], true],
    [['member'], ['viewer'], true],
    [['viewer', 'member'], ['member'], false],
  ])('for %j has lost something when the roles are %j: %s', (then, now, expected) => {
    expect(hasLost({ ...PRINCIPAL, roles: then }, { ...ANN, roles: now })).toBe(expected);
  });

  it('for a role of a newer version alone has nothing to lose, and the account’s new one gives nothing', () => {
    const newer = ['auditor'] as string[] as User['roles'];

    expect(hasLost({ ...PRINCIPAL, roles: newer }, { ...ANN, roles: ['viewer'] })).toBe(false);
    expect(hasLost(PRINCIPAL, { ...ANN, roles: newer })).toBe(true);
  });

  it('for a key loses only what the key was for', () => {
    const key: Principal = { ...PRINCIPAL, roles: ['admin'], scopes: ['agent:read', 'agent:write'] };

    expect(hasLost(key, { ...ANN, roles: ['member'] })).toBe(false);
    expect(hasLost(key, { ...ANN, roles: ['viewer'] })).toBe(true);
  });
});
