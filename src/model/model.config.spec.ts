import { afterEach, describe, expect, it } from '@jest/globals';
import { modelConfig } from './model.config.js';

const NAMES = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'MODEL',
  'MODEL_PROFILE',
  'MODEL_IDLE_MS',
  'MAX_TOKENS',
  'OFFLINE_MODEL_DELAY_MS',
];
const before = { ...process.env };

function read(env: Record<string, string>) {
  for (const name of NAMES) delete process.env[name];
  Object.assign(process.env, env);
  return modelConfig();
}

describe('modelConfig', () => {
  afterEach(() => {
    for (const name of NAMES) delete process.env[name];
    Object.assign(process.env, before);
  });

  it('has a default for everything but the credentials', () => {
    expect(read({})).toEqual({
      ANTHROPIC_TRANSPORT: 'node',
      MODEL: 'claude-opus-5-5',
      MODEL_PROFILE: 'anthropic',
      MODEL_IDLE_MS: 60_000,
      MAX_TOKENS: 16_000,
      OFFLINE_MODEL_DELAY_MS: 25,
    });
  });

  it('takes a gateway with a path and an empty key for none', () => {
    expect(
      read({ ANTHROPIC_BASE_URL: 'https://gateway.example/anthropic/', ANTHROPIC_API_KEY: '' }),
    ).toMatchObject({
      ANTHROPIC_BASE_URL: 'https://gateway.example/anthropic/',
    });
  });

  it.each([
    ['ANTHROPIC_BASE_URL', 'https://api.anthropic.com/v1', /^ANTHROPIC_BASE_URL is .* without \/v1/],
    ['ANTHROPIC_BASE_URL', 'ftp://api.anthropic.com', /^ANTHROPIC_BASE_URL is .* an http or https address/],
    [
      'ANTHROPIC_BASE_URL',
      'https://user:secret@api.example',
      /^ANTHROPIC_BASE_URL is set to a value of 31 characters/,
    ],
    [
      'ANTHROPIC_API_KEY',
      'two words',
      /^ANTHROPIC_API_KEY is set to a value of 9 characters, but takes printable ASCII/,
    ],
    ['MODEL', 'two words', /^MODEL is "two words", but takes the id of a model/],
    [
      'MODEL_IDLE_MS',
      '1s',
      /^MODEL_IDLE_MS is "1s", but takes milliseconds, a whole number from 1 to 86400000\.$/,
    ],
    [
      'MODEL_PROFILE',
      'openai',
      /^MODEL_PROFILE is "openai", but takes one of anthropic, ollama, .*, old-gateway\.$/,
    ],
    ['MAX_TOKENS', '0', /^MAX_TOKENS is .*, but takes a whole number from 1 to 1000000\.$/],
    ['OFFLINE_MODEL_DELAY_MS', '-1', /^OFFLINE_MODEL_DELAY_MS is "-1", but takes milliseconds/],
  ])('refuses %s=%s in one line', (name, value, message) => {
    expect(() => read({ [name]: value })).toThrow(message);
  });
});
