import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { IN_MEMORY, SqliteDatabase } from '../database/sqlite/sqlite-database.js';
import type { AuthConfig } from './auth.config.js';
import { FirstAdministrator } from './first-administrator.service.js';
import { ApiKeyRepository } from './api-key/api-key.repository.js';
import { Accounts } from './accounts.service.js';
import { LoginRepository } from './session/login.repository.js';
import { Passwords } from './users/passwords.js';
import { UserRepository } from './users/user.repository.js';

const CONFIG: AuthConfig = {
  production: false,
  sessionSecrets: ['s'],
  jwt: { secret: 's', previousSecret: undefined, jwksUri: undefined, issuer: undefined, audience: undefined },
  allowedOrigins: null,
  administrator: { email: 'admin@localhost', password: 'generated' },
  passwordFile: '.data/development.json',
};

Logger.overrideLogger(false);

describe('The first administrator', () => {
  let database: SqliteDatabase;
  let users: UserRepository;

  beforeEach(async () => {
    database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    users = new UserRepository(database);
  });
  afterEach(() => database.close());

  async function boot(config: AuthConfig): Promise<FirstAdministrator> {
    const first = new FirstAdministrator(config, users, new Passwords());
    await first.onApplicationBootstrap();
    return first;
  }
  const all = () =>
    database.acrossTenants().selectFrom('users').select(['email', 'tenant_id', 'roles_json']).execute();

  it('is created in an empty database, and a newcomer is told where the password is', async () => {
    const first = await boot(CONFIG);

    expect(await all()).toEqual([
      { email: 'admin@localhost', tenant_id: 'default', roles_json: '["admin"]' },
    ]);
    expect(
      await new Accounts(
        users,
        new Passwords(),
        new LoginRepository(database),
        new ApiKeyRepository(database),
      ).verify('Admin@localhost', 'generated'),
    ).toMatchObject({
      roles: ['admin'],
    });
    expect(first.signInHint).toEqual({ email: 'admin@localhost', passwordFile: '.data/development.json' });
  });

  it('is the one of the configuration, of whom nothing is told', async () => {
    const administrator = { email: 'root@acme.test', password: 'chosen by hand' };
    const first = await boot({ ...CONFIG, administrator, passwordFile: null });

    expect(await all()).toEqual([{ email: 'root@acme.test', tenant_id: 'default', roles_json: '["admin"]' }]);
    expect(first.signInHint).toBeUndefined();
  });

  it('is created once, also by two servers that start together', async () => {
    await Promise.all([boot(CONFIG), boot(CONFIG)]);
    expect((await boot(CONFIG)).signInHint).toBeDefined();

    expect(await all()).toHaveLength(1);
  });

  it('is not created where there are users, and no password is promised there', async () => {
    await users.insert({ id: 'usr_1', tenantId: 'acme', email: 'a@b', passwordHash: '', roles: ['member'] });

    const first = await boot(CONFIG);

    expect(await all()).toHaveLength(1);
    expect(first.signInHint).toBeUndefined();
  });

  it('is nobody where none is configured', async () => {
    await boot({ ...CONFIG, administrator: null, passwordFile: null });

    expect(await all()).toEqual([]);
  });
});
