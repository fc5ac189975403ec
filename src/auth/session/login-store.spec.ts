import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { SessionData } from 'express-session';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import { UserRepository } from '../users/user.repository.js';
import { LoginRepository } from './login.repository.js';
import { loginIdOf, LoginStore } from './login-store.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const ANN = {
  id: 'usr_1',
  tenantId: 'acme',
  email: 'ann@acme.test',
  passwordHash: '$hash',
  roles: ['member' as const],
};

function session(user?: string): SessionData {
  const cookie = { path: '/', httpOnly: true, originalMaxAge: null } as SessionData['cookie'];
  return user === undefined ? { cookie } : { cookie, passport: { user } };
}

describe('The store of login sessions', () => {
  let database: SqliteDatabase;
  let store: LoginStore;
  let users: UserRepository;

  beforeEach(async () => {
    database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    users = new UserRepository(database);
    await users.insert(ANN);
    store = new LoginStore(new LoginRepository(database));
  });
  afterEach(() => database.close());

  const get = (id: string) =>
    new Promise<SessionData | null | undefined>((resolve, reject) => {
      store.get(id, (error, found) => (error ? reject(error) : resolve(found)));
    });
  const set = (id: string, data: SessionData) =>
    new Promise<void>((resolve, reject) => {
      store.set(id, data, (error) => (error ? reject(error) : resolve()));
    });
  const destroy = (id: string) =>
    new Promise<void>((resolve, reject) => {
      store.destroy(id, (error) => (error ? reject(error) : resolve()));
    });
  const rows = () => database.kysely.selectFrom('logins').selectAll().execute();
  const age = (created: number, expires: number) =>
    database.kysely
      .updateTable('logins')
      .set({ created_at: Date.now() - created, expires_at: Date.now() + expires } as never)
      .execute();

  it('finds a login by its id and keeps only the hash of it', async () => {
    await set('secret-id', session('usr_1'));

    expect((await get('secret-id'))?.passport).toEqual({ user: 'usr_1' });
    expect(await get('other-id')).toBeNull();
    const [row] = await rows();
    expect(row).toMatchObject({ id_hash: loginIdOf('secret-id'), user_id: 'usr_1' });
    expect(JSON.stringify(row)).not.toContain('secret-id');
  });

  it('gives the account as it is now, which is neither stored nor has a password', async () => {
    await set('a', session('usr_1'));
    await users.update('usr_1', 'acme', { roles: ['viewer'], disabled: true });

    const account = {
      id: 'usr_1',
      tenantId: 'acme',
      email: 'ann@acme.test',
      roles: ['viewer'],
      disabled: true,
    };
    expect((await get('a'))?.account).toMatchObject(account);
    expect(JSON.stringify(await get('a'))).not.toContain('$hash');
    expect((await rows())[0]!.data_json).not.toContain('acme');
  });

  it('has no login of somebody without an account', async () => {
    await set('a', session('usr_2'));

    expect(await get('a')).toBeNull();
  });

  it('keeps no session of somebody who is not signed in', async () => {
    await set('a', session());

    expect(await rows()).toEqual([]);
  });

  it('has an end 24 hours from now at first', async () => {
    await set('a', session('usr_1'));

    const [row] = await rows();
    expect(row!.expires_at - row!.created_at).toBe(DAY);
  });

  it('ends at once when it is destroyed', async () => {
    await set('a', session('usr_1'));

    await destroy('a');

    expect(await get('a')).toBeNull();
  });

  it('does not come back when the response that opened it saves it a second time', async () => {
    const data = session('usr_1');
    await set('a', data);
    await destroy('a');

    await set('a', data);

    expect(await get('a')).toBeNull();
  });

  it('is over after its idle time, with the row still there', async () => {
    await set('a', session('usr_1'));
    await age(2 * DAY, -1);

    expect(await get('a')).toBeNull();
    expect(await rows()).toHaveLength(1);
  });

  it('is prolonged by use', async () => {
    await set('a', session('usr_1'));
    await age(2 * DAY, HOUR);

    await get('a');

    const [row] = await rows();
    expect(row!.expires_at - Date.now()).toBeGreaterThan(DAY - 10_000);
  });

  it('is not written again within a minute', async () => {
    await set('a', session('usr_1'));
    await age(2 * DAY, DAY - 50_000);
    const [before] = await rows();

    await get('a');

    expect(await rows()).toEqual([before]);
  });

  it('is never prolonged beyond seven days', async () => {
    await set('a', session('usr_1'));
    await age(7 * DAY - HOUR, 60);

    await get('a');

    const [row] = await rows();
    expect(row!.expires_at - row!.created_at).toBe(7 * DAY);
  });
});

describe('The logins of a user', () => {
  it('end all at once, and those of others stay', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    const logins = new LoginRepository(database);
    for (const [id, user] of [
      ['a', 'usr_1'],
      ['b', 'usr_1'],
      ['c', 'usr_2'],
    ] as const) {
      await logins.insert(id, user, '{}');
    }

    expect((await logins.deleteOfUser('usr_1')).toSorted()).toEqual(['a', 'b']);
    expect(await logins.aliveAmong(['a', 'b', 'c'])).toEqual(['c']);
    await database.close();
  });

  it('are deleted once they have ended', async () => {
    const database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    const logins = new LoginRepository(database);
    await logins.insert('old', 'usr_1', '{}');
    await database.kysely
      .updateTable('logins')
      .set({ expires_at: Date.now() - 1 })
      .execute();
    await logins.insert('new', 'usr_1', '{}');

    await logins.deleteExpired();

    const rows = await database.kysely.selectFrom('logins').select('id_hash').execute();
    expect(rows).toEqual([{ id_hash: 'new' }]);
    await database.close();
  });
});
