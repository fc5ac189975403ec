import { describe, expect, it } from '@jest/globals';
import { passwordFault } from './password-policy.js';

const ADA = 'ada.lovelace@acme.example';

describe('a password that somebody chooses', () => {
  it.each(['password', 'password1', 'Password123', '12345678', 'qwertyuiop', 'iloveyou'])(
    'is not one of the most common ones: %s',
    async (password) => {
      expect(await passwordFault(password, ADA)).toBe(
        'The password is one of the most common: choose another one.',
      );
    },
  );

  it.each(['agentline', 'Agentline2026!', 'lovelace', 'Ada.Lovelace1', 'acme-2026', ADA])(
    'is not what is near at hand: %s',
    async (password) => {
      expect(await passwordFault(password, ADA)).toBe(
        'The password is too near at hand: choose another one.',
      );
    },
  );

  it.each(['correct horse battery staple', 'lovelace and babbage', '        x', 'ünïcödé-päss', '٣٤٥٦٧٨٩٠١'])(
    'may otherwise be anything: %s',
    async (password) => {
      expect(await passwordFault(password, ADA)).toBeUndefined();
    },
  );

  it('needs no address', async () => {
    expect(await passwordFault('lovelace-1815', null)).toBeUndefined();
  });
});
