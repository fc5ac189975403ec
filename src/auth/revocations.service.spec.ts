import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { IN_MEMORY, SqliteDatabase } from '../database/sqlite/sqlite-database.js';
import { ApiKeyRepository } from './api-key/api-key.repository.js';
import type { Principal } from './principal.js';
import { Revocations } from './revocations.service.js';
import { LoginRepository } from './session/login.repository.js';
import { UserRepository } from './users/user.repository.js';

const COOKIE: Principal = {
  userId: 'usr_1',
  tenantId: 'default',
  email: null,
  roles: ['member'],
  via: 'cookie',
  loginId: 'login-1',
  expiresAt: null,
};
const BEARER: Principal = { ...COOKIE, via: 'bearer', loginId: null };

Logger.overrideLogger(false);

/** The real repository, counting what it is asked. */
class CountingLogins extends LoginRepository {
  readonly asked: number[] = [];

  override aliveAmong(ids: readonly string[]): Promise<string[]> {
    this.asked.push(ids.length);
    return super.aliveAmong(ids);
  }
}

/** Keys that end when their name is taken out. */
class DoubledKeys extends ApiKeyRepository {
  readonly alive = new Set(['key-1', 'key-2']);

  override aliveAmong(ids: readonly string[]): Promise<string[]> {
    return Promise.resolve(ids.filter((id) => this.alive.has(id)));
  }
}

/** Lets the sweeps of this time happen, with what they ask of the database. */
async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 500) {
    await jest.advanceTimersByTimeAsync(500);
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('Watched credentials', () => {
  let database: SqliteDatabase;
  let logins: CountingLogins;
  let users: UserRepository;
  let keys: DoubledKeys;
  let revocations: Revocations;

  beforeEach(async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    database = new SqliteDatabase(IN_MEMORY);
    await database.open();
    logins = new CountingLogins(database);
    users = new UserRepository(database);
    keys = new DoubledKeys(database);
    revocations = new Revocations(logins, users, keys);
    for (const id of ['login-1', 'login-2']) await logins.insert(id, 'usr_1', '{}');
    await users.insert({
      id: 'usr_1',
      tenantId: 'default',
      email: 'a@b',
      passwordHash: '',
      roles: ['member'],
    });
  });
  afterEach(async () => {
    revocations.onApplicationShutdown();
    await database.close();
    jest.useRealTimers();
  });

  it('stay while nothing ends them', async () => {
    const { signal } = revocations.watch(COOKIE);

    await pass(20_000);

    expect(signal.aborted).toBe(false);
  });

  it('end at once when their login does in this process, and others stay', () => {
    const mine = revocations.watch(COOKIE);
    const other = revocations.watch({ ...COOKIE, loginId: 'login-2' });

    revocations.endLogin('login-1');

    expect([mine.signal.aborted, other.signal.aborted]).toEqual([true, false]);
    expect(mine.signal.reason).toMatchObject({ code: 'unauthenticated' });
  });

  it('end within 5 s when their login was ended by another node', async () => {
    const mine = revocations.watch(COOKIE);
    const other = revocations.watch({ ...COOKIE, loginId: 'login-2' });
    await logins.delete('login-1');

    await pass(4500);

    expect([mine.signal.aborted, other.signal.aborted]).toEqual([true, false]);
  });

  it('end within 5 s when their login has expired', async () => {
    const { signal } = revocations.watch(COOKIE);
    await database.kysely.updateTable('logins').set({ expires_at: 1 }).execute();

    await pass(4500);

    expect(signal.aborted).toBe(true);
  });

  it('end when their user is disabled, here at once and elsewhere within 5 s', async () => {
    const here = revocations.watch(BEARER);
    revocations.endUser('usr_1');
    expect(here.signal.aborted).toBe(true);

    const elsewhere = revocations.watch(BEARER);
    const stranger = revocations.watch({ ...BEARER, userId: 'usr_2' });
    await users.update('usr_1', 'default', { disabled: true });
    await pass(4500);
    expect([elsewhere.signal.aborted, stranger.signal.aborted]).toEqual([true, false]);
  });

  it('end when their key was revoked, here at once and elsewhere within 5 s', async () => {
    const key: Principal = { ...BEARER, via: 'key', keyId: 'key-1' };
    const here = revocations.watch(key);
    const other = revocations.watch({ ...key, keyId: 'key-2' });
    revocations.endKey('key-1');
    expect(here.signal.aborted).toBe(true);

    const elsewhere = revocations.watch(key);
    keys.alive.delete('key-1');
    await pass(4500);
    expect([elsewhere.signal.aborted, other.signal.aborted]).toEqual([true, false]);
  });

  it('end with the logins of their user, when they are older, here at once and elsewhere within 5 s', async () => {
    const old = { ...BEARER, token: { generation: 0, issuedAt: undefined } };
    const foreign = { ...BEARER, token: { generation: undefined, issuedAt: Date.now() - 60_000 } };
    const untimed = { ...BEARER, token: { generation: undefined, issuedAt: undefined } };
    const later = { ...BEARER, token: { generation: 2, issuedAt: undefined } };
    const keyed: Principal = { ...BEARER, via: 'key', keyId: 'key-1' };
    const all = [old, foreign, untimed, later, keyed];
    const open = () => all.map((each) => revocations.watch(each).signal);

    const here = open();
    await revocations.endLoginsOf('usr_1');
    expect(here.map(({ aborted }) => aborted)).toEqual([true, true, true, false, false]);

    const elsewhere = open();
    await users.endLogins('usr_1');
    await pass(4500);
    expect(elsewhere.map(({ aborted }) => aborted)).toEqual([true, true, true, false, false]);
  });

  it('end when their user may do less than then, here at once and elsewhere within 5 s', async () => {
    const open = () => [
      revocations.watch(BEARER).signal,
      revocations.watch({ ...BEARER, scopes: ['agent:read'] }).signal,
      revocations.watch({ ...BEARER, roles: ['viewer'] }).signal,
    ];
    const here = open();
    const viewer = await users.update('usr_1', 'default', { roles: ['viewer'] });
    revocations.endWhatIsLost(viewer!);
    expect(here.map(({ aborted }) => aborted)).toEqual([true, false, false]);

    await users.update('usr_1', 'default', { roles: ['member'] });
    const elsewhere = open();
    await users.update('usr_1', 'default', { roles: ['viewer'] });
    await pass(4500);
    expect(elsewhere.map(({ aborted }) => aborted)).toEqual([true, false, false]);
  });

  it('stay when their user may do more, or has no account here', async () => {
    const more = revocations.watch(BEARER);
    const foreign = revocations.watch({ ...BEARER, userId: 'idp|7', roles: ['admin'] });
    const admin = await users.update('usr_1', 'default', { roles: ['admin'] });
    revocations.endWhatIsLost(admin!);
    await pass(4500);

    expect([more.signal.aborted, foreign.signal.aborted]).toEqual([false, false]);
  });

  it('that come while the database is asked are not judged by an answer that is older', async () => {
    const answered = Promise.withResolvers<void>();
    const find = users.findAmong.bind(users);
    users.findAmong = async (ids) => {
      const accounts = await find(ids);
      await answered.promise;
      return accounts;
    };
    const first = revocations.watch(BEARER);
    await users.update('usr_1', 'default', { roles: ['viewer'] });
    await pass(2500);
    const anew = revocations.watch(BEARER);
    answered.resolve();
    await pass(500);

    expect([first.signal.aborted, anew.signal.aborted]).toEqual([true, false]);
  });

  it('end soon after their token has, and not before', async () => {
    const { signal } = revocations.watch({ ...BEARER, expiresAt: Date.now() + 60_000 });

    await pass(60_000);
    expect(signal.aborted).toBe(false);
    await pass(5000);
    expect(signal.aborted).toBe(true);
  });

  it('end with their token even when the database does not answer', async () => {
    logins.aliveAmong = () => new Promise(() => undefined);
    revocations.watch(COOKIE);
    const { signal } = revocations.watch({ ...BEARER, expiresAt: Date.now() + 10_000 });

    await pass(16_000);

    expect(signal.aborted).toBe(true);
  });

  it('are asked for again when the database has failed once', async () => {
    const { signal } = revocations.watch(COOKIE);
    await logins.delete('login-1');
    const ask = logins.aliveAmong.bind(logins);
    logins.aliveAmong = () => {
      logins.aliveAmong = ask;
      return Promise.reject(new Error('gone'));
    };

    await pass(4500);

    expect(signal.aborted).toBe(true);
  });

  it('end though others cannot be judged, and though what they do not stand on cannot be asked', async () => {
    const find = users.findAmong.bind(users);
    users.findAmong = async (ids) => {
      const accounts = await find(ids);
      const odd = Object.defineProperty({ ...accounts.get('usr_1')! }, 'disabled', {
        get: () => {
          throw new Error('odd');
        },
      });
      return new Map([...accounts, ['usr_odd', odd]]);
    };
    await users.insert({
      id: 'usr_2',
      tenantId: 'default',
      email: 'c@d',
      passwordHash: '',
      roles: ['member'],
    });
    const odd = revocations.watch({ ...BEARER, userId: 'usr_odd' }).signal;
    const disabled = revocations.watch({ ...BEARER, userId: 'usr_2' }).signal;
    const keyed = revocations.watch({ ...BEARER, via: 'key', keyId: 'key-1' }).signal;
    await users.update('usr_2', 'default', { disabled: true });
    keys.alive.delete('key-1');
    logins.aliveAmong = () => Promise.reject(new Error('gone'));
    revocations.watch(COOKIE);

    await pass(2500);

    expect([odd, disabled, keyed].map(({ aborted }) => aborted)).toEqual([false, true, true]);
  });

  it('cost one row for a login, however many streams it has', async () => {
    const watches = Array.from({ length: 10_000 }, () => revocations.watch(COOKIE));

    await pass(2500);
    expect(logins.asked).toEqual([1]);

    revocations.endLogin('login-1');
    expect(watches.every(({ signal }) => signal.aborted)).toBe(true);
  });

  it('are asked for in portions of 500', async () => {
    for (let i = 0; i < 1200; i++) revocations.watch({ ...COOKIE, loginId: `login-x${i}` });

    await pass(2500);

    expect(logins.asked).toEqual([500, 500, 200]);
  });

  it('are not asked for once nobody watches', async () => {
    const watch = revocations.watch(COOKIE);
    watch.stop();
    watch.stop();

    await pass(10_000);
    revocations.endLogin('login-1');

    expect(logins.asked).toEqual([]);
    expect(watch.signal.aborted).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });
});
