import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { ApiKeyRepository } from '../api-key/api-key.repository.js';
import { UserRepository } from '../users/user.repository.js';
import { ServiceAccountRepository } from './service-account.repository.js';

onEachDatabase('The service accounts', (open) => {
  let database: Database;
  let users: UserRepository;
  let accounts: ServiceAccountRepository;

  beforeEach(async () => {
    database = await open();
    users = new UserRepository(database);
    accounts = new ServiceAccountRepository(database);
  });
  afterEach(() => database.close());

  const made = (name: string, tenantId = 'acme') =>
    accounts.insert({ id: newId('usr'), tenantId, name, roles: ['viewer'] });

  it('are users with a name, whom no address and no password names', async () => {
    const account = await made('nightly build');

    expect(account).toEqual({
      id: expect.stringMatching(/^usr_/),
      tenantId: 'acme',
      name: 'nightly build',
      roles: ['viewer'],
      disabled: false,
      createdAt: expect.any(Number),
    });
    expect(await users.find(account.id)).toMatchObject({ email: null, roles: ['viewer'], kind: 'service' });
    expect(await users.findByEmail(account.id)).toMatchObject({ passwordHash: '' });
  });

  it('are listed by tenant, newest first, without people', async () => {
    await users.insert({ id: newId('usr'), tenantId: 'acme', email: 'a@b.c', passwordHash: '$', roles: [] });
    const [one, two] = [await made('one'), await made('two')];
    const other = await made('other', 'globex');

    expect(await accounts.list('acme', 10)).toEqual([two, one]);
    expect(await accounts.list('acme', 10, two.id)).toEqual([one]);
    expect(await accounts.list('globex', 10)).toEqual([other]);
  });

  it('end with their keys, once, and stay refused', async () => {
    const keys = new ApiKeyRepository(database);
    const [account, other] = [await made('ends'), await made('stays')];
    const key = { name: 'k', hint: 'k', scopes: [], createdBy: 'usr_root', lifetimeMs: 3_600_000 };
    for (const { id } of [account, other]) {
      const owner = { tenantId: 'acme', userId: id };
      await keys.insert({ ...key, ...owner, id: newId('key'), secretHash: `of ${id}` });
    }

    expect(await accounts.delete(account.id, 'globex')).toBe(false);
    expect(await accounts.delete(account.id, 'acme')).toBe(true);
    expect(await accounts.delete(account.id, 'acme')).toBe(false);

    expect(await accounts.list('acme', 10)).toEqual([other]);
    expect(await users.find(account.id)).toMatchObject({ disabled: true });
    expect((await keys.list({ tenantId: 'acme' }, 10)).map(({ userId }) => userId)).toEqual([other.id]);
    expect(await keys.findLive(`of ${account.id}`)).toBeUndefined();

    await users.update(account.id, 'acme', { disabled: false });
    expect(await keys.findLive(`of ${account.id}`)).toBeUndefined();
    expect(await keys.findServiceRoles({ tenantId: 'acme', userId: account.id })).toBeUndefined();
  });

  it('are people to nobody: a person is not ended as one', async () => {
    const id = newId('usr');
    await users.insert({ id, tenantId: 'acme', email: 'ann@acme.test', passwordHash: '$', roles: ['admin'] });

    expect(await accounts.delete(id, 'acme')).toBe(false);
    expect(await users.find(id)).toMatchObject({ disabled: false });
  });
});
