import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { BegunSignIns } from './begun-sign-in.js';

const SECRET = 'a secret of this spec, long enough';
const BEGUN = {
  state: 'the state',
  nonce: 'the nonce',
  verifier: 'the verifier',
  redirect_uri: 'https://agents.test/api/auth/oidc/callback',
  return_to: '/',
};

afterEach(() => {
  jest.useRealTimers();
});

describe('a sign-in on its way', () => {
  it('is read by every node with the secret, and tells the browser nothing', async () => {
    const sealed = await new BegunSignIns([SECRET]).seal(BEGUN);
    expect(await new BegunSignIns([SECRET]).open(sealed)).toEqual(BEGUN);
    const parts = sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    expect(parts.join()).not.toMatch(/verifier|state|nonce/);
    expect(sealed.length).toBeLessThan(1_000);
  });

  it('outlives a change of the secret that keeps the old one', async () => {
    const sealed = await new BegunSignIns(['the old secret']).seal(BEGUN);
    expect(await new BegunSignIns([SECRET, 'the old secret']).open(sealed)).toEqual(BEGUN);
    expect(await new BegunSignIns([SECRET]).open(sealed)).toBeUndefined();
  });

  it('is over after ten minutes', async () => {
    jest.useFakeTimers({ now: 1_000_000_000_000 });
    const ways = new BegunSignIns([SECRET]);
    const sealed = await ways.seal(BEGUN);
    jest.setSystemTime(1_000_000_599_000);
    expect(await ways.open(sealed)).toEqual(BEGUN);
    jest.setSystemTime(1_000_000_601_000);
    expect(await ways.open(sealed)).toBeUndefined();
  });

  it('cannot be made or changed by others', async () => {
    const ways = new BegunSignIns([SECRET]);
    const sealed = await ways.seal(BEGUN);
    const [header, , iv, text = '', tag] = sealed.split('.');
    const other = `${text[0] === 'A' ? 'B' : 'A'}${text.slice(1)}`;
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const payload = Buffer.from(JSON.stringify(BEGUN)).toString('base64url');
    for (const forged of [
      [header, '', iv, other, tag].join('.'),
      `${none}.${payload}.`,
      sealed.slice(0, -2),
      '',
      'x',
      '....',
    ])
      expect(await ways.open(forged)).toBeUndefined();
  });
});
