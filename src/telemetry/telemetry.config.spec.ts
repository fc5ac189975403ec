import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { telemetryConfig } from './telemetry.config.js';

let folder: string;
let before: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentline-test-'));
  before = process.env;
});
afterEach(() => {
  process.env = before;
  rmSync(folder, { recursive: true });
});

function secretsOf(env: NodeJS.ProcessEnv): string[] {
  process.env = env;
  return telemetryConfig().secrets;
}

function file(content: string): string {
  const path = join(folder, 'secret');
  writeFileSync(path, `${content}\n`);
  return path;
}

describe('secrets that no log repeats', () => {
  it.each(['JWT_SECRET', 'SESSION_SECRET_PREVIOUS', 'ADMIN_PASSWORD', 'ANTHROPIC_API_KEY', 'ACME_TOKEN'])(
    'are the value of %s, also in a file',
    (name) => {
      expect(secretsOf({ [name]: 'hunter2 hunter2' })).toEqual(['hunter2 hunter2']);
      expect(secretsOf({ [`${name}_FILE`]: file('hunter2 hunter2') })).toEqual(['hunter2 hunter2']);
    },
  );

  it.each([
    ['DATABASE_URL', 'postgres://agentline:hunter2hunter2@database:5432/agentline'],
    ['REDIS_URL', 'redis://:hunter2hunter2@cache:6379'],
  ])('are the password in %s, also in a file, and not the address', (name, address) => {
    expect(secretsOf({ [name]: address })).toEqual(['hunter2hunter2']);
    expect(secretsOf({ [`${name}_FILE`]: file(address) })).toEqual(['hunter2hunter2']);
  });

  it('are the password in an address of anybody, and all of a secret that looks like one', () => {
    expect(secretsOf({ ACME_ADDRESS: 'https://acme:hunter2hunter2@acme.test' })).toEqual(['hunter2hunter2']);
    expect(secretsOf({ JWT_SECRET: 'a://b:hunter2hunter2@c' })).toContain('a://b:hunter2hunter2@c');
  });

  it('are nothing else, nor what a file holds that nobody takes for a secret or that is not there', () => {
    const others = { PORT: '3000', REDIS_URL: 'redis://cache:6379', NOTES_FILE: file('hunter2hunter2') };
    expect(secretsOf({ ...others, JWT_SECRET_FILE: join(folder, 'missing') })).toEqual([]);
  });
});
