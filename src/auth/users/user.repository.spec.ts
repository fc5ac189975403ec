import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import { UserRepository, type NewUser } from './user.repository.js';

const ANN: NewUser = {
  id: 'usr_ann',
  tenantId: 'acme',
  email: 'ann@acme.test',
  passwordHash: '$hash',
  roles: ['member'],
};

describe('The users', () => {
  let database: SqliteDatabase;
  let users: UserRepository;

  beforeEach(async () => {
    database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    users = new UserRepository(database);
  });
  afterEach(() => database.close());

  it('are found by id and by e-mail address', async () => {
    expect(await users.isEmpty()).toBe(true);
    expect(await users.insert(ANN)).toBe(true);

    const ann = {
      id: 'usr_ann',
      tenantId: 'acme',
      email: 'ann@acme.test',
      roles: ['member'],
      disabled: false,
    };
    expect(await users.find('usr_ann')).toEqual(ann);
    expect(await users.findByEmail('ann@acme.test')).toEqual({ user: ann, passwordHash: '$hash' });
    expect(await users.find('usr_bob')).toBeUndefined();
    expect(await users.findByEmail('bob@acme.test')).toBeUndefined();
    expect(await users.isEmpty()).toBe(false);
  });

  it('have an e-mail address each, over all tenants', async () => {
    await users.insert(ANN);

    expect(await users.insert({ ...ANN, id: 'usr_2', tenantId: 'other' })).toBe(false);
  });

  it('take a first one only into an empty table, once', async () => {
    const answers = await Promise.all([
      users.insertFirst(ANN),
      users.insertFirst({ ...ANN, id: 'usr_2' }),
      users.insertFirst({ ...ANN, id: 'usr_3', email: 'c@acme.test' }),
    ]);

    expect(answers).toEqual([true, false, false]);
    expect(await users.find('usr_ann')).toMatchObject({ email: 'ann@acme.test', disabled: false });
    expect(await database.kysely.selectFrom('users').select('id').execute()).toHaveLength(1);
  });

  it('are changed within their tenant only, and only in what is named', async () => {
    await users.insert(ANN);

    expect(await users.update('usr_ann', 'other', { roles: ['admin'] })).toBeUndefined();
    expect(await users.update('usr_ann', 'acme', {})).toMatchObject({ roles: ['member'], disabled: false });
    expect(await users.update('usr_ann', 'acme', { roles: ['admin'] })).toMatchObject({
      roles: ['admin'],
      disabled: false,
    });
    expect(await users.update('usr_ann', 'acme', { disabled: true })).toMatchObject({
      roles: ['admin'],
      disabled: true,
    });
    expect(await users.disabledAmong(['usr_ann', 'usr_bob'])).toEqual(['usr_ann']);
    expect(await users.update('usr_ann', 'acme', { disabled: false })).toMatchObject({ disabled: false });
    expect(await users.disabledAmong(['usr_ann', 'usr_bob'])).toEqual([]);
  });

  it('keep the time at which they were disabled first', async () => {
    await users.insert(ANN);
    await database.kysely.updateTable('users').set({ disabled_at: 5 }).execute();

    await users.update('usr_ann', 'acme', { disabled: true });

    const [row] = await database.kysely.selectFrom('users').select('disabled_at').execute();
    expect(row).toEqual({ disabled_at: 5 });
  });
});
