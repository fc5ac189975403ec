import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { AuthConfig } from '../auth.config.js';
import { ShortSecretWarning } from './short-secret-warning.service.js';

afterEach(() => {
  jest.restoreAllMocks();
});

function warnings(jwt: Partial<AuthConfig['jwt']>): string[] {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
  new ShortSecretWarning({ jwt } as AuthConfig).onApplicationBootstrap();
  return warn.mock.calls.map(([message]) => String(message));
}

describe('a short secret for tokens', () => {
  it('is warned of, without being told', () => {
    expect(warnings({ secret: 'x'.repeat(31), previousSecret: 'short' })).toEqual([
      expect.stringMatching(/^JWT_SECRET is shorter than 32 bytes/),
      expect.stringMatching(/^JWT_SECRET_PREVIOUS is shorter than 32 bytes/),
    ]);
  });

  it('is counted in bytes', () => {
    expect(warnings({ secret: 'ü'.repeat(16) })).toEqual([]);
    expect(warnings({ secret: 'x'.repeat(32) })).toEqual([]);
    expect(warnings({})).toEqual([]);
  });
});
