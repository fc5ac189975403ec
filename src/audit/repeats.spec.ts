import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NewAuditRow } from './audit-row.js';
import { Repeats } from './repeats.js';

const ROW: NewAuditRow = {
  id: 'aud_1',
  happened: 0,
  tenantId: null,
  actorId: null,
  actorVia: null,
  keyId: null,
  action: 'auth.sign_in',
  target: null,
  outcome: 'refused',
  code: 'invalid_credentials',
  remoteAddress: '203.0.113.9',
  userAgent: 'probe',
  requestId: 'req-1',
  details: null,
  count: 1,
  account: null,
};

let now = 0;
let repeats: Repeats;

beforeEach(() => {
  now = 0;
  repeats = new Repeats(() => now);
});

const written = (fields: Partial<NewAuditRow>) => repeats.admit({ ...ROW, ...fields }) !== undefined;

describe('repeated calls', () => {
  it('are one row at once and, when the minute is over, one with the count of the rest', () => {
    expect(repeats.admit(ROW)).toBe(ROW);
    for (let n = 2; n <= 1_000; n += 1) expect(written({ id: `aud_${n}`, happened: n })).toBe(false);
    expect(repeats.take()).toEqual([]);
    now = 60_000;
    expect(repeats.take()).toEqual([{ ...ROW, id: 'aud_2', happened: 2, count: 999 }]);
    expect(repeats.take()).toEqual([]);
    expect(written({})).toBe(true);
  });

  it('are told before the minute is over to who asks, and counted on', () => {
    written({});
    written({});
    expect(repeats.take(true)).toMatchObject([{ count: 1 }]);
    written({});
    expect(written({})).toBe(false);
    expect(repeats.take(true)).toMatchObject([{ count: 2 }]);
  });

  it.each<[string, Partial<NewAuditRow>]>([
    ['what', { action: 'auth.token' }],
    ['why', { code: 'too_many_requests' }],
    ['whom', { actorId: 'usr_1', tenantId: 'default' }],
    ['where from', { remoteAddress: '203.0.113.10' }],
    ['which account was tried', { account: 'ada@example.com' }],
  ])('are told apart by %s', (_name, fields) => {
    written({});
    expect(written(fields)).toBe(true);
    expect(written(fields)).toBe(false);
  });

  it('of one network of IPv6 are of one place', () => {
    expect(written({ remoteAddress: '2001:db8:0:7::1' })).toBe(true);
    expect(written({ remoteAddress: '2001:db8:0:7:a:b:c:d' })).toBe(false);
    expect(written({ remoteAddress: '2001:db8::7:0:0:0:1' })).toBe(false);
    expect(written({ remoteAddress: '2001:db8:0:8::1' })).toBe(true);
    expect(written({ remoteAddress: '::1' })).toBe(true);
  });

  it('of one place that tries many accounts name the first twenty, and count the others together', () => {
    let rows = 0;
    for (let n = 0; n < 500; n += 1) {
      const account = `user${n}@example.com`;
      if (written({ account, details: { email: account } })) rows += 1;
    }
    expect(rows).toBe(20);
    expect(repeats.take(true)).toMatchObject([{ count: 480, account: null, details: null }]);
  });

  it('from more places than can be told apart are bounded, and none is forgotten', () => {
    let rows = 0;
    for (let n = 0; n < 50_000; n += 1) {
      if (written({ remoteAddress: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` })) rows += 1;
    }
    expect(rows).toBe(1_001);
    const [crowd] = repeats.take(true);
    expect(crowd).toMatchObject({ count: 48_999, remoteAddress: null, userAgent: null });
  });
});
