import { afterEach, describe, expect, it } from '@jest/globals';
import { limitsConfig } from './limits.config.js';

const names = ['LIMITS', 'SIGN_IN_FAILURES'] as const;

afterEach(() => {
  for (const name of names) delete process.env[name];
});

function read(values: Partial<Record<(typeof names)[number], string>>) {
  Object.assign(process.env, values);
  return limitsConfig();
}

describe('LIMITS', () => {
  it('without a value bounds a user so widely that no honest client meets it', () => {
    expect(read({})).toEqual({
      settings: {
        user: { requests_per_minute: 600_000, streams: 20_000, runs: 5_000 },
        key: {},
        tenant: {},
      },
      isSet: false,
      signInFailures: { account: 100, address: 500 },
    });
  });

  it('takes the place of what it names', () => {
    const LIMITS = '{"user":{"streams":50,"bytes_per_minute":1000},"key":{"runs":3},"tenant":{"runs":9}}';
    expect(read({ LIMITS })).toMatchObject({
      settings: {
        user: { requests_per_minute: 600_000, streams: 50, runs: 5_000, bytes_per_minute: 1_000 },
        key: { runs: 3 },
        tenant: { runs: 9 },
      },
      isSet: true,
    });
  });

  it.each([
    ['no JSON', 'must be an object'],
    ['{"group":{}}', 'has no group'],
    ['{"user":{"request":1}}', 'user has no request'],
    ['{"user":{"runs":0}}', 'user.runs must be a whole number above 0'],
    ['{"tenant":{"streams":1.5}}', 'tenant.streams must be a whole number above 0'],
  ])('refuses %s and says what it takes', (LIMITS, fault) => {
    expect(() => read({ LIMITS })).toThrow(
      `LIMITS is ${JSON.stringify(LIMITS)}, but takes JSON like {"user":{"requests_per_minute":600,"streams":50},"tenant":{"runs":200}}: ${fault}.`,
    );
  });
});

describe('SIGN_IN_FAILURES', () => {
  it('bounds an account at an address, and an address five times as widely', () => {
    expect(read({ SIGN_IN_FAILURES: '10' }).signInFailures).toEqual({ account: 10, address: 50 });
  });
});
