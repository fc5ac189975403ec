import { describe, expect, it } from '@jest/globals';
import type { Request } from 'express';
import type { AppError } from '../../errors/app-error.js';
import type { Principal } from '../principal.js';
import { ApiKeyStrategy } from './api-key.strategy.js';

const PRINCIPAL = { userId: 'usr_ann' } as Principal;

/** What the strategy says of a request with this token, and what it asked. */
function askWith(
  token: string | null,
  answer: () => Promise<Principal | undefined>,
): Promise<{ outcome: unknown; asked: string[] }> {
  const asked: string[] = [];
  const verify = (text: string) => {
    asked.push(text);
    return answer();
  };
  return new Promise((resolve) => {
    const strategy = new ApiKeyStrategy(() => token, { verify });
    strategy.fail = (status) => resolve({ outcome: status, asked });
    strategy.success = (user) => resolve({ outcome: user, asked });
    strategy.error = (error: AppError) => resolve({ outcome: error.code ?? error.message, asked });
    strategy.authenticate({} as Request);
  });
}

const known = () => Promise.resolve(PRINCIPAL);

describe('The strategy for keys', () => {
  it('leaves requests without a token, and other tokens, to others', async () => {
    expect(await askWith(null, known)).toEqual({ outcome: 401, asked: [] });
    expect(await askWith('eyJhbGciOiJIUzI1NiJ9.e30.x', known)).toEqual({ outcome: 401, asked: [] });
    expect(await askWith('AGL_x', known)).toEqual({ outcome: 401, asked: [] });
  });

  it('takes whatever begins like a key', async () => {
    expect(await askWith('agl_x', known)).toEqual({ outcome: PRINCIPAL, asked: ['agl_x'] });
  });

  it('refuses a key that does not count, so that nobody else looks at it', async () => {
    expect((await askWith('agl_x', () => Promise.resolve(undefined))).outcome).toBe('unauthenticated');
  });

  it('hands on why a key could not be looked up', async () => {
    expect((await askWith('agl_x', () => Promise.reject(new Error('no database')))).outcome).toBe(
      'no database',
    );
  });
});
