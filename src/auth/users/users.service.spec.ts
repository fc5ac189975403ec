import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { openSqlite } from '../../../test/support/databases.js';
import { ApiKeyRepository } from '../api-key/api-key.repository.js';
import type { Database } from '../../database/database.js';
import type { Principal } from '../principal.js';
import { Revocations } from '../revocations.service.js';
import { LoginRepository } from '../session/login.repository.js';
import { Passwords } from './passwords.js';
import { UserRepository } from './user.repository.js';
import { Users } from './users.service.js';

const ROOT: Principal = {
  userId: 'usr_01h455vb4pex5vsknk084sn02q',
  tenantId: 'default',
  email: 'root@example.com',
  roles: ['admin'],
  via: 'bearer',
  loginId: null,
  expiresAt: null,
};
/** A key for what administrators do, and a token of another issuer that is for no more. */
const LIMITED: Principal[] = [
  { ...ROOT, via: 'key', keyId: 'key_1', scopes: ['agent:admin'] },
  { ...ROOT, scopes: ['agent:read', 'agent:admin'] },
];
const FORBIDDEN = { code: 'forbidden' };
const PASSWORD = 'a password of these tests';

let database: Database;
let users: Users;

beforeEach(async () => {
  database = await openSqlite();
  const repository = new UserRepository(database);
  const revocations = new Revocations(
    new LoginRepository(database),
    repository,
    new ApiKeyRepository(database),
  );
  users = new Users(repository, new Passwords(), revocations, { production: false });
});
afterEach(() => database.close());

const create = (admin: Principal, email = 'ann@example.com') =>
  users.create(admin, { email, password: PASSWORD, roles: ['member'] });

it('an administrator who holds a key, or a limited token, makes nobody who could sign in with more', async () => {
  for (const limited of LIMITED) await expect(create(limited)).rejects.toMatchObject(FORBIDDEN);
  expect((await users.list(ROOT, { limit: 10 })).data).toEqual([]);
});

it('nor gives roles, but may disable and end', async () => {
  const { id } = await create(ROOT);
  for (const limited of LIMITED) {
    await expect(users.change(limited, id, undefined, { roles: ['admin'] })).rejects.toMatchObject(FORBIDDEN);
    const both = { roles: ['viewer' as const], disabled: true };
    await expect(users.change(limited, id, undefined, both)).rejects.toMatchObject(FORBIDDEN);
  }
  expect(await users.find(ROOT, id, undefined)).toMatchObject({ roles: ['member'], disabled: false });

  const [key] = LIMITED;
  await users.endSessions(key!, id, undefined);
  expect(await users.change(key!, id, undefined, { disabled: true })).toMatchObject({ disabled: true });
});
