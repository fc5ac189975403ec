import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { onEachDatabase } from '../../../test/support/databases.js';
import type { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { UserRepository } from '../users/user.repository.js';
import type { ApiKey } from './api-key.js';
import { ApiKeyRepository, type NewApiKey } from './api-key.repository.js';

const HOUR = 3_600_000;
const ANN = { tenantId: 'acme', userId: 'usr_ann' };
const BOT = { tenantId: 'acme', userId: 'usr_bot' };

function keyOf(owner: typeof ANN, secretHash: string = newId('key')): NewApiKey {
  return {
    ...owner,
    id: newId('key'),
    name: 'nightly',
    secretHash,
    hint: 'a1B2',
    scopes: ['agent:read'],
    createdBy: ANN.userId,
    lifetimeMs: HOUR,
  };
}

onEachDatabase('The API keys', (open) => {
  let database: Database;
  let users: UserRepository;
  let keys: ApiKeyRepository;

  beforeEach(async () => {
    database = await open();
    users = new UserRepository(database);
    keys = new ApiKeyRepository(database);
    const ann = { id: ANN.userId, email: 'ann@acme.test', roles: ['admin' as const] };
    await users.insert({ ...ann, tenantId: 'acme', passwordHash: '$hash' });
    const bot = { id: BOT.userId, email: null, roles: ['viewer' as const], kind: 'service' as const };
    await users.insert({ ...bot, tenantId: 'acme', passwordHash: '' });
  });
  afterEach(() => database.close());

  async function made(owner = ANN, secretHash?: string): Promise<ApiKey> {
    const key = await keys.insert(keyOf(owner, secretHash));
    if (typeof key === 'string') throw new Error(key);
    return key;
  }

  /** As if it had been made so long ago. */
  async function age(id: string, ms: number): Promise<void> {
    await database
      .acrossTenants()
      .updateTable('api_keys')
      .set((eb) => ({ expires_at: eb('expires_at', '-', ms) }) as never)
      .where('id', '=', id)
      .execute();
  }

  it('are found by their hash, with what their user is today', async () => {
    const key = await made(ANN, 'hash of it');

    expect(key).toEqual({
      ...ANN,
      id: expect.stringMatching(/^key_/),
      name: 'nightly',
      hint: 'a1B2',
      scopes: ['agent:read'],
      createdBy: 'usr_ann',
      createdAt: expect.any(Number),
      expiresAt: key.createdAt + HOUR,
      lastUsedAt: null,
    });
    const known = { key, email: 'ann@acme.test', roles: ['admin'], isUseUntold: true };
    expect(await keys.findLive('hash of it')).toEqual(known);
    expect(await keys.findLive('another')).toBeUndefined();

    await users.update(ANN.userId, 'acme', { roles: ['viewer'] });
    expect(await keys.findLive('hash of it')).toEqual({ ...known, roles: ['viewer'] });
  });

  it('count neither ended nor expired, nor for a user who is disabled', async () => {
    const [live, ended, expired] = [
      await made(ANN, 'live'),
      await made(ANN, 'ended'),
      await made(ANN, 'old'),
    ];
    await keys.end(ended.id, ANN);
    await age(expired.id, HOUR);

    const found = await Promise.all(['live', 'ended', 'old'].map((hash) => keys.findLive(hash)));
    expect(found.map((known) => known?.key.id)).toEqual([live.id, undefined, undefined]);
    expect(await keys.aliveAmong([live.id, ended.id, expired.id, newId('key')])).toEqual([live.id]);

    await users.update(ANN.userId, 'acme', { disabled: true });
    expect(await keys.findLive('live')).toBeUndefined();
    await users.update(ANN.userId, 'acme', { disabled: false });
    expect(await keys.findLive('live')).toBeDefined();
  });

  it('have no address where their user has none', async () => {
    await made(BOT, 'of a program');

    expect(await keys.findLive('of a program')).toMatchObject({ email: null, roles: ['viewer'] });
    expect(await keys.findServiceRoles(BOT)).toEqual(['viewer']);
    expect(await keys.findServiceRoles(ANN)).toBeUndefined();
    expect(await keys.findServiceRoles({ ...BOT, tenantId: 'other' })).toBeUndefined();
  });

  it('are made for active users of the tenant only', async () => {
    expect(await keys.insert(keyOf({ ...ANN, tenantId: 'other' }))).toBe('no_user');
    expect(await keys.insert(keyOf({ ...ANN, userId: 'usr_nobody' }))).toBe('no_user');

    await users.update(ANN.userId, 'acme', { disabled: true });
    expect(await keys.insert(keyOf(ANN))).toBe('no_user');
  });

  it('are 50 for each user, however many are made at once; an ended one makes room', async () => {
    const first = await Promise.all(Array.from({ length: 48 }, () => made()));
    const more = await Promise.all(Array.from({ length: 6 }, () => keys.insert(keyOf(ANN))));

    expect(more.map((key) => (key === 'full' ? key : 'made')).toSorted()).toEqual([
      'full',
      'full',
      'full',
      'full',
      'made',
      'made',
    ]);
    expect(await keys.insert(keyOf(BOT))).toMatchObject(BOT);
    await keys.end(first[0]!.id, ANN);
    expect(await keys.insert(keyOf(ANN))).toMatchObject(ANN);
    await age(first[1]!.id, HOUR);
    expect(await keys.insert(keyOf(ANN))).toMatchObject(ANN);
  });

  it('are listed newest first and ended by those of the tenant, once', async () => {
    const [one, two, three] = [await made(), await made(BOT), await made()];
    const idsOf = async (...of: Parameters<ApiKeyRepository['list']>) =>
      (await keys.list(...of)).map(({ id }) => id);

    expect(await idsOf({ tenantId: 'acme' }, 10)).toEqual([three.id, two.id, one.id]);
    expect(await idsOf(ANN, 10)).toEqual([three.id, one.id]);
    expect(await idsOf({ tenantId: 'acme' }, 1, three.id)).toEqual([two.id]);
    expect(await idsOf({ ...ANN, tenantId: 'other' }, 10)).toEqual([]);

    expect(await keys.end(one.id, { tenantId: 'other' })).toBe(false);
    expect(await keys.end(one.id, BOT)).toBe(false);
    expect(await keys.end(one.id, ANN)).toBe(true);
    expect(await keys.end(one.id, ANN)).toBe(false);
    expect(await keys.end(three.id, { tenantId: 'acme' })).toBe(true);
    expect(await idsOf(ANN, 10)).toEqual([]);
  });

  it('tell when they were used, once a minute', async () => {
    const key = await made(ANN, 'used');
    const lastUse = async () => (await keys.list(ANN, 1))[0]?.lastUsedAt ?? null;
    const setLastUse = (at: number) =>
      database
        .acrossTenants()
        .updateTable('api_keys')
        .set({ last_used_at: at })
        .where('id', '=', key.id)
        .execute();

    await keys.noteUse(key);
    const first = await lastUse();
    expect(first).toBeGreaterThan(Date.now() - HOUR);
    expect((await keys.findLive('used'))?.isUseUntold).toBe(false);

    await setLastUse(first! - 5_000);
    await keys.noteUse(key);
    expect(await lastUse()).toBe(first! - 5_000);

    await setLastUse(first! - 61_000);
    expect((await keys.findLive('used'))?.isUseUntold).toBe(true);
    await keys.noteUse(key);
    expect(await lastUse()).toBeGreaterThanOrEqual(first!);
  });
});
