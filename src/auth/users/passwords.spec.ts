import { describe, expect, it } from '@jest/globals';
import { DUMMY_HASH, Passwords } from './passwords.js';

const cost = (hash: string) => hash.split('$').slice(0, 4).join('$');

describe('Passwords', () => {
  const passwords = new Passwords();

  it('are kept as Argon2id, salted', async () => {
    const [one, two] = [await passwords.hash('correct horse'), await passwords.hash('correct horse')];

    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    expect(await passwords.matches('correct horse', one)).toBe(true);
    expect(await passwords.matches('correct horsf', one)).toBe(false);
  });

  it('match however the keyboard composes their letters', async () => {
    expect(await passwords.matches('cafe\u0301 latte', await passwords.hash('caf\u00e9 latte'))).toBe(true);
  });

  it('match nothing where there is no account, after work of the same cost', async () => {
    expect(await passwords.matches('anything', undefined)).toBe(false);
    expect(cost(DUMMY_HASH)).toBe(cost(await passwords.hash('anything')));
  });

  it('of one account are checked for 66 at a time; the next one is asked to wait, and nobody else', async () => {
    const crowd = Array.from({ length: 66 }, () => passwords.matches('x', undefined, 'ann'));

    await expect(passwords.matches('x', undefined, 'ann')).rejects.toMatchObject({
      code: 'too_many_requests',
      retryAfter: 2,
    });
    expect(await passwords.matches('x', undefined, 'bob')).toBe(false);
    expect(await Promise.all(crowd)).toEqual(Array.from({ length: 66 }, () => false));
    expect(await passwords.matches('x', undefined, 'ann')).toBe(false);
  });
});
