import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import { UserRepository, type NewUser } from './user.repository.js';

const ANN: NewUser = {
  id: 'usr_ann',
  tenantId: 'acme',
  email: 'ann@acme.test',
  passwordHash: '$hash',
  roles: ['member'],
};

onEachDatabase('The users', (open) => {
  let database: Database;
  let users: UserRepository;

  beforeEach(async () => {
    database = await open();
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
      kind: 'person',
      tokenGeneration: 0,
      loginsEndedAt: null,
      createdAt: expect.any(Number),
    };
    expect(await users.find('usr_ann')).toEqual(ann);
    expect(await users.findWithPassword('usr_ann')).toEqual({ user: ann, passwordHash: '$hash' });
    expect(await users.findAmong(['usr_bob', 'usr_ann'])).toEqual(new Map([['usr_ann', ann]]));
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
    const both = await Promise.all([ANN, { ...ANN, id: 'usr_2' }].map((each) => users.insertFirst(each)));

    expect(both.filter((isFirst) => isFirst)).toHaveLength(1);
    expect(await users.insertFirst({ ...ANN, id: 'usr_3', email: 'c@acme.test' })).toBe(false);
    expect(await users.findByEmail('ann@acme.test')).toMatchObject({ passwordHash: '$hash' });
    expect(await database.acrossTenants().selectFrom('users').select('id').execute()).toHaveLength(1);
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
    expect(await users.update('usr_ann', 'acme', { disabled: false })).toMatchObject({ disabled: false });
  });

  it('keep the time at which they were disabled first', async () => {
    await users.insert(ANN);
    await database.acrossTenants().updateTable('users').set({ disabled_at: 5 }).execute();

    await users.update('usr_ann', 'acme', { disabled: true });

    const [row] = await database.acrossTenants().selectFrom('users').select('disabled_at').execute();
    expect(row).toEqual({ disabled_at: 5 });
  });

  it('without an address have none, and are found by id only', async () => {
    const robot = { ...ANN, id: 'usr_robot', email: null, passwordHash: '', kind: 'service' as const };
    expect(await users.insert(robot)).toBe(true);
    expect(await users.insert({ ...robot, id: 'usr_robot_2' })).toBe(true);

    expect(await users.find('usr_robot')).toMatchObject({ email: null, kind: 'service' });
  });

  it('lose logins and tokens when somebody says so, and not with any other change', async () => {
    await users.insert(ANN);
    expect(await users.update('usr_ann', 'acme', { roles: ['admin'] })).toMatchObject({
      tokenGeneration: 0,
      loginsEndedAt: null,
    });

    const first = await users.endLogins('usr_ann');
    const second = await users.update('usr_ann', 'acme', { disabled: true, endsLogins: true });

    expect(first).toMatchObject({ tokenGeneration: 1, loginsEndedAt: expect.any(Number) });
    expect(second).toMatchObject({ tokenGeneration: 2, disabled: true });
    expect(second!.loginsEndedAt).toBeGreaterThanOrEqual(first!.loginsEndedAt!);
    expect(await users.endLogins('usr_bob')).toBeUndefined();
  });

  it('change their password once, and lose logins and tokens with it', async () => {
    await users.insert(ANN);

    const changed = await users.changePassword('usr_ann', '$hash', '$new');
    const late = await users.changePassword('usr_ann', '$hash', '$other');

    expect(changed).toMatchObject({ tokenGeneration: 1, loginsEndedAt: expect.any(Number) });
    expect(late).toBeUndefined();
    expect(await users.findWithPassword('usr_ann')).toMatchObject({ passwordHash: '$new' });
  });

  it('are listed by tenant, newest first, without those that are no more', async () => {
    for (const id of ['usr_1', 'usr_2', 'usr_3'])
      await users.insert({ ...ANN, id, email: `${id}@acme.test` });
    await users.insert({ ...ANN, id: 'usr_4', tenantId: 'other', email: '4@other.test' });
    await users.insert({ ...ANN, id: 'usr_5', email: null, kind: 'deleted' });
    const idsOf = async (limit: number, before?: string) =>
      (await users.list('acme', limit, before)).map(({ id }) => id);

    expect(await idsOf(2)).toEqual(['usr_3', 'usr_2']);
    expect(await idsOf(2, 'usr_2')).toEqual(['usr_1']);
  });
});
