import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { EnvironmentError, integer, isGiven, milliseconds, readEnvironment } from './environment.js';

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

describe('a secret in a file', () => {
  let folder = '';
  const file = (name: string) => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'agentline-'));
    writeFileSync(file('unix'), 'a long token\n');
    writeFileSync(file('windows'), 'a long token\r\n');
    writeFileSync(file('two'), 'a long token\n\n');
    writeFileSync(file('short'), 'hunter2');
    writeFileSync(file('empty'), '\n');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is read without the line break at its end', () => {
    expect(read({ API_TOKEN_FILE: file('unix') }).API_TOKEN).toBe('a long token');
    expect(read({ API_TOKEN_FILE: file('windows') }).API_TOKEN).toBe('a long token');
    expect(read({ API_TOKEN_FILE: file('two') }).API_TOKEN).toBe('a long token\n');
  });

  it('is not looked for where the variable of the file is empty, or the variable is no secret', () => {
    expect(read({ API_TOKEN_FILE: '', HOST_FILE: file('unix') })).toEqual({
      PORT: 3_000,
      LEASE_MS: 10_000,
      HOST: '127.0.0.1',
    });
  });

  it('is refused in one line that names the variable: twice, unreadable, empty, or not what it takes', () => {
    expect(failure({ API_TOKEN: 'a long token', API_TOKEN_FILE: file('unix') }).message).toBe(
      'API_TOKEN and API_TOKEN_FILE are both set: keep one of them.',
    );
    expect(failure({ API_TOKEN_FILE: file('none') }).message).toBe(
      `API_TOKEN_FILE is ${JSON.stringify(file('none'))}, which cannot be read: ENOENT.`,
    );
    expect(failure({ API_TOKEN_FILE: folder }).message).toBe(
      `API_TOKEN_FILE is ${JSON.stringify(folder)}, which cannot be read: EISDIR.`,
    );
    expect(failure({ API_TOKEN_FILE: file('empty') }).message).toBe(
      `API_TOKEN_FILE is ${JSON.stringify(file('empty'))}, which is empty.`,
    );
    expect(failure({ API_TOKEN_FILE: file('short') }).message).toBe(
      'API_TOKEN is set to a value of 7 characters, but takes ten characters or more.',
    );
  });

  it('counts as given', () => {
    expect(isGiven({ API_TOKEN_FILE: 'x' }, 'API_TOKEN')).toBe(true);
    expect(isGiven({ API_TOKEN: 'x' }, 'API_TOKEN')).toBe(true);
    expect(isGiven({ HOST_FILE: 'x', API_TOKEN: '', API_TOKEN_FILE: '' }, 'API_TOKEN')).toBe(false);
    expect(isGiven({ HOST_FILE: 'x' }, 'HOST')).toBe(false);
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
