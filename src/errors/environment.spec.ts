import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EnvironmentError, integer, milliseconds, readEnvironment } from './environment.js';

const shape = {
  PORT: integer(0, 65_535).default(3_000),
  LEASE_MS: milliseconds(1_000).default(10_000),
  HOST: z.string().default('127.0.0.1').describe('an address'),
  API_TOKEN: z.string().min(10).optional().describe('ten characters or more'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres:/)
    .optional()
    .describe('an address'),
};

const read = (env: Record<string, string>) => readEnvironment(env, shape);

describe('the environment', () => {
  it('gives defaults for what is not set, or set to nothing, and leaves out what nobody asked for', () => {
    expect(read({ PORT: '', HOST: '', OTHER: 'x' })).toEqual({
      PORT: 3_000,
      LEASE_MS: 10_000,
      HOST: '127.0.0.1',
    });
  });

  it('gives numbers as numbers', () => {
    expect(read({ PORT: '0', LEASE_MS: '86400000' })).toMatchObject({ PORT: 0, LEASE_MS: 86_400_000 });
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', '0x50'],
    ['PORT', '8e1'],
    ['PORT', ' 80'],
    ['PORT', 'abc'],
    ['PORT', '99999999999999999999'],
    ['LEASE_MS', '999'],
    ['LEASE_MS', '86400001'],
  ])('refuses %s=%j in one line that names it, what it got and what it takes', (name, value) => {
    const limits =
      name === 'PORT'
        ? 'a whole number from 0 to 65535'
        : 'milliseconds, a whole number from 1000 to 86400000';
    const error = failure({ [name]: value });
    expect(error.message).toBe(`${name} is ${JSON.stringify(value)}, but takes ${limits}.`);
  });

  it('never repeats a secret, or an address with a password', () => {
    expect(failure({ API_TOKEN: 'hunter2' }).message).toBe(
      'API_TOKEN is set to a value of 7 characters, but takes ten characters or more.',
    );
    expect(failure({ DATABASE_URL: 'mysql://a:hunter2@b' }).message).not.toContain('hunter2');
  });

  it('stays one line, whatever the value', () => {
    expect(failure({ PORT: '1\n2' }).message).toBe(
      'PORT is "1\\n2", but takes a whole number from 0 to 65535.',
    );
  });

  it('says what is not set', () => {
    const needed = { SECRET: z.string().describe('something random') };
    expect(() => readEnvironment({}, needed)).toThrow('SECRET is not set, but takes something random.');
  });
});

function failure(env: Record<string, string>): Error {
  try {
    read(env);
  } catch (error) {
    expect(error).toBeInstanceOf(EnvironmentError);
    return error as Error;
  }
  throw new Error('it was taken');
}
