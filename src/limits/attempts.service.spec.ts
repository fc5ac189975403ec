import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { onEachDatabase } from '../../test/support/databases.js';
import type { Database } from '../database/database.js';
import { AppError } from '../errors/app-error.js';
import { Attempts } from './attempts.service.js';
import { LimitRepository } from './limit.repository.js';

Logger.overrideLogger(false);

const wrong = async () => undefined;
const right = async () => 'ada';
const slowly = async () => {
  await new Promise((resolve) => setImmediate(resolve));
  return 'ada';
};
const away = async (): Promise<undefined> => {
  throw new AppError('unavailable', 'away');
};
const refused = async (): Promise<undefined> => {
  throw new AppError('invalid_credentials', 'wrong');
};

onEachDatabase('attempts to sign in', (open) => {
  let database: Database;
  let attempts: Attempts;

  beforeEach(async () => {
    database = await open();
    attempts = another();
  });
  afterEach(() => database.close());

  const another = (account = 3, counters = new LimitRepository(database)) =>
    new Attempts(counters, {
      settings: { user: {}, key: {}, tenant: {} },
      isSet: false,
      signInFailures: { account, address: account * 5 },
    });
  const attempt = (work: () => Promise<string | undefined>, account?: string, address = '192.0.2.1') =>
    attempts.guard({ account, address }, work);
  const failed = async (times: number, account?: string, address?: string) => {
    for (let n = 0; n < times; n += 1) await attempt(wrong, account, address);
  };
  const TOO_MANY = { code: 'too_many_requests', retryAfter: expect.any(Number) };

  it('that fail too often for one account from one address are refused, also when right, on every node', async () => {
    await failed(3, 'ada@example.com');
    await expect(attempt(right, 'ada@example.com')).rejects.toMatchObject(TOO_MANY);
    await expect(
      another().guard({ account: 'ADA@example.com', address: '::ffff:192.0.2.1' }, right),
    ).rejects.toMatchObject(TOO_MANY);
    expect(await attempt(right, 'bob@example.com')).toBe('ada');
  });

  it('from elsewhere do not keep out who has the right password, until they are ten times as many', async () => {
    for (let n = 1; n <= 9; n += 1) await failed(3, 'ada@example.com', `203.0.113.${n}`);
    await failed(2, 'ada@example.com', '203.0.113.10');
    expect(await attempt(right, 'ada@example.com')).toBe('ada');

    await failed(1, 'ada@example.com', '203.0.113.10');
    await expect(attempt(right, 'ada@example.com')).rejects.toMatchObject(TOO_MANY);
    expect(await attempt(right, 'bob@example.com')).toBe('ada');
  });

  it('are refused for an hour at most', async () => {
    await failed(3, 'ada@example.com');
    const error = await attempt(right, 'ada@example.com').catch((refusal: unknown) => refusal as AppError);
    expect((error as AppError).retryAfter).toBeGreaterThan(3_590);
    expect((error as AppError).retryAfter).toBeLessThanOrEqual(3_600);

    await database.kysely.updateTable('limit_counters').set({ ends_at: 1 }).execute();
    expect(await attempt(right, 'ada@example.com')).toBe('ada');
  });

  it('begin to count anew after a success', async () => {
    for (let n = 0; n < 3; n += 1) {
      await failed(2, 'ada@example.com');
      expect(await attempt(right, 'ada@example.com')).toBe('ada');
    }
  });

  it('from one address are bounded over all accounts, and those that succeed do not count', async () => {
    for (let n = 0; n < 30; n += 1) await attempt(right, `right${n}@example.com`);
    for (let n = 0; n < 15; n += 1) await attempt(wrong, `wrong${n}@example.com`);
    await expect(attempt(right, 'ada@example.com')).rejects.toMatchObject(TOO_MANY);
    await expect(attempt(right, 'ada@example.com', '::ffff:192.0.2.1')).rejects.toMatchObject(TOO_MANY);
    expect(await attempt(right, 'ada@example.com', '192.0.2.2')).toBe('ada');
  });

  it('from one network of IPv6 count as one', async () => {
    for (let n = 0; n < 15; n += 1) await attempt(wrong, undefined, `2001:db8::${n}:1`);
    await expect(attempt(right, undefined, '2001:db8::ffff')).rejects.toMatchObject(TOO_MANY);
    expect(await attempt(right, undefined, '2001:db8:0:1::1')).toBe('ada');
  });

  it('a hundred at once try no more than one after the other', async () => {
    let tried = 0;
    const guess = async () => {
      tried += 1;
      await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    };
    await Promise.allSettled(Array.from({ length: 100 }, () => attempt(guess, 'ada@example.com')));
    expect(tried).toBe(3);
  });

  it('with the right password at once are all let in, however small the limit', async () => {
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map(() => attempt(slowly, 'ada@example.com')));
    expect(all).toEqual(['ada', 'ada', 'ada', 'ada', 'ada', 'ada']);
  });

  it('succeed and fail as they did when the count cannot be taken back then', async () => {
    const failing = new LimitRepository(database);
    const givenBack: string[] = [];
    failing.forget = () => Promise.reject(new Error('away'));
    failing.giveBack = async (scope) => void givenBack.push(scope);
    const node = another(3, failing);
    const address = '192.0.2.1';
    expect(await node.guard({ account: 'ada@example.com', address }, right)).toBe('ada');
    expect(givenBack).toEqual(['failures:address:192.0.2.1', 'failures:account:ada@example.com']);

    failing.giveBack = () => Promise.reject(new Error('full'));
    await expect(node.guard({ account: 'ada@example.com', address }, away)).rejects.toThrow('away');
  });

  it('that could not be decided do not count; those that were refused do', async () => {
    for (let n = 0; n < 9; n += 1) await expect(attempt(away, 'ada@example.com')).rejects.toThrow('away');
    for (let n = 0; n < 3; n += 1) await expect(attempt(refused, 'ada@example.com')).rejects.toThrow('wrong');
    await expect(attempt(right, 'ada@example.com')).rejects.toMatchObject(TOO_MANY);
  });
});
