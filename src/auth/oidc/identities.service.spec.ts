import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSqlite } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import type { Role } from '../principal.js';
import { UserRepository } from '../users/user.repository.js';
import { Identities } from './identities.service.js';
import { IdentityRepository } from './identity.repository.js';
import type { ProviderUser } from './provider-claims.js';

const ADA: ProviderUser = {
  issuer: 'https://id.test',
  subject: 'ada',
  email: { address: 'ada@id.test', isVerified: true },
  tenantId: undefined,
  roles: undefined,
};

let database: Database;
let users: UserRepository;
let identities: Identities;

beforeEach(async () => {
  database = await openSqlite();
  users = new UserRepository(database);
  identities = new Identities(new IdentityRepository(database), users);
});
afterEach(() => database.close());

async function giveAccount(id: string, change: { tenantId?: string; roles?: Role[] } = {}): Promise<void> {
  const account = {
    id,
    tenantId: 'default',
    email: 'ada@id.test',
    passwordHash: 'x',
    roles: ['member' as const],
  };
  await users.insert({ ...account, ...change });
}

/** Id, or why not. */
async function outcome(person: Partial<ProviderUser>, links = false): Promise<string> {
  try {
    return (await identities.accountOf({ ...ADA, ...person }, links)).id;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
}

const TAKEN = 'sign_in_refused: Your e-mail address belongs to another account here. Ask an administrator.';
const verified = (isVerified: boolean | undefined) => ({ email: { address: 'ada@id.test', isVerified } });

describe('somebody who signs in for the first time', () => {
  it('gets an account, the same at every sign-in', async () => {
    const account = await identities.accountOf(ADA, false);
    expect(account).toMatchObject({
      email: 'ada@id.test',
      tenantId: 'default',
      roles: ['member'],
      kind: 'person',
    });
    expect(await users.findWithPassword(account.id)).toMatchObject({ passwordHash: '' });
    expect(await identities.accountOf({ ...ADA, email: null }, false)).toEqual(account);
    const other = await identities.accountOf({ ...ADA, issuer: 'https://other.test', email: null }, false);
    expect(other.id).not.toBe(account.id);
  });

  it('gets one account however often it is tried at the same time', async () => {
    const ids = await Promise.all([1, 2, 3, 4].map(() => outcome({})));
    expect(ids).toEqual(Array.from({ length: 4 }, () => ids[0]));
    expect(ids[0]).toMatch(/^usr_/);
  });

  it('gets the tenant and the roles that the provider names', async () => {
    const account = await identities.accountOf({ ...ADA, tenantId: 'acme', roles: ['viewer'] }, false);
    expect(account).toMatchObject({ tenantId: 'acme', roles: ['viewer'] });
  });

  it('has no address unless the provider says that it is verified', async () => {
    expect(await identities.accountOf({ ...ADA, ...verified(false) }, false)).toMatchObject({ email: null });
    const unsure = { ...ADA, subject: 'eve', ...verified(undefined) };
    expect(await identities.accountOf(unsure, false)).toMatchObject({ email: null });
  });

  it('cannot take an address from whom it belongs to by only naming it', async () => {
    await identities.accountOf({ ...ADA, subject: 'eve', ...verified(undefined) }, false);
    expect(await identities.accountOf(ADA, false)).toMatchObject({ email: 'ada@id.test' });
  });

  it('stays out where the provider should have named a tenant', async () => {
    expect(await outcome({ tenantId: null })).toBe(
      'sign_in_refused: The identity provider names no tenant for you. Ask an administrator.',
    );
  });

  it('gets the account that a process which died has begun to make', async () => {
    await new IdentityRepository(database).bind('https://id.test', 'ada', 'usr_begun');
    expect(await outcome({})).toBe('usr_begun');
  });
});

describe('an address that has an account already', () => {
  beforeEach(() => giveAccount('usr_local'));

  it('refuses whoever comes with it, and can be tried again', async () => {
    expect(await outcome({})).toBe(TAKEN);
    expect(await outcome(verified(false))).toBe(TAKEN);
    expect(await outcome({ email: null })).toMatch(/^usr_/);
  });

  it('is linked where that is switched on and the provider has verified it', async () => {
    expect(await outcome(verified(undefined), true)).toBe(TAKEN);
    expect(await outcome({}, true)).toBe('usr_local');
    expect(await outcome({ email: null })).toBe('usr_local');
  });

  it('is linked to one subject of a provider only', async () => {
    expect(await outcome({}, true)).toBe('usr_local');
    expect(await outcome({ subject: 'eve' }, true)).toBe(TAKEN);
  });

  it('is linked to one subject also when two come with it at the same time', async () => {
    const subjects = ['ada', 'eve', 'mal'];
    const all = await Promise.all(subjects.map((subject) => outcome({ subject }, true)));
    expect(all.toSorted()).toEqual([TAKEN, TAKEN, 'usr_local']);
  });

  it('is not linked over tenants', async () => {
    expect(await outcome({ tenantId: 'acme' }, true)).toBe(TAKEN);
  });
});

describe('an administrator’s address', () => {
  it('is linked only when the provider makes them an administrator, too', async () => {
    await giveAccount('usr_root', { roles: ['admin'] });
    expect(await outcome({}, true)).toBe(TAKEN);
    expect(await outcome({ roles: ['member'] }, true)).toBe(TAKEN);
    expect(await outcome({ roles: ['admin', 'member'] }, true)).toBe('usr_root');
  });
});

describe('somebody who comes back', () => {
  it('has the roles that the provider names now', async () => {
    const { id } = await identities.accountOf({ ...ADA, roles: ['admin'] }, false);
    expect(await identities.accountOf({ ...ADA, roles: ['viewer'] }, false)).toMatchObject({
      id,
      roles: ['viewer'],
    });
    expect(await users.find(id)).toMatchObject({ roles: ['viewer'] });
  });

  it('keeps the roles that an administrator gave where the provider names none', async () => {
    const { id } = await identities.accountOf(ADA, false);
    await users.update(id, 'default', { roles: ['viewer'] });
    expect(await identities.accountOf(ADA, false)).toMatchObject({ roles: ['viewer'] });
  });

  it('stays out when disabled, and when the provider names another tenant', async () => {
    const { id } = await identities.accountOf({ ...ADA, tenantId: 'acme' }, false);
    expect(await outcome({ tenantId: 'other' })).toBe(
      'sign_in_refused: Your account here belongs to another tenant. Ask an administrator.',
    );
    await users.update(id, 'acme', { disabled: true });
    expect(await outcome({ tenantId: 'acme', roles: ['admin'] })).toBe(
      'sign_in_refused: Your account is not active here. Ask an administrator.',
    );
    expect(await users.find(id)).toMatchObject({ roles: ['member'] });
  });
});
