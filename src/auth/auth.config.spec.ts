import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { authConfig } from './auth.config.js';

const SECRET = 's'.repeat(32);
const PRODUCTION = { NODE_ENV: 'production', SESSION_SECRET: SECRET, JWT_SECRET: SECRET };
const JWKS = {
  NODE_ENV: 'production',
  SESSION_SECRET: SECRET,
  JWT_JWKS_URI: 'https://id.example.com/jwks',
  JWT_ISSUER: 'https://id.example.com',
  JWT_AUDIENCE: 'agentline',
};

function fileIn(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

describe('The configuration of who may come in', () => {
  const original = process.env;
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'agentline-'));
  });
  afterEach(() => {
    process.env = original;
    rmSync(folder, { recursive: true, force: true });
  });

  function configure(env: NodeJS.ProcessEnv) {
    process.env = { DATA_DIR: folder, ...env };
    return authConfig();
  }

  it.each([
    ['SESSION_SECRET is not set', { ...PRODUCTION, SESSION_SECRET: '' }],
    ['SESSION_SECRET is set to a value of 31 characters', { ...PRODUCTION, SESSION_SECRET: 's'.repeat(31) }],
    ['JWT_SECRET is not set', { ...PRODUCTION, JWT_SECRET: '' }],
    ['JWT_SECRET is set to a value of 31 characters', { ...PRODUCTION, JWT_SECRET: 's'.repeat(31) }],
    [
      'SESSION_SECRET_PREVIOUS is set to a value of 5 characters',
      { ...PRODUCTION, SESSION_SECRET_PREVIOUS: 'short' },
    ],
    [
      'JWT_SECRET_PREVIOUS is set to a value of 5 characters',
      { ...PRODUCTION, JWT_SECRET_PREVIOUS: 'short' },
    ],
    ['JWT_ISSUER is not set', { ...JWKS, JWT_ISSUER: '' }],
    ['JWT_AUDIENCE is not set', { ...JWKS, JWT_AUDIENCE: '' }],
    ['JWT_JWKS_URI is "http://id.example.com/jwks"', { ...JWKS, JWT_JWKS_URI: 'http://id.example.com/jwks' }],
    ['JWT_JWKS_URI is "id"', { ...JWKS, JWT_JWKS_URI: 'id' }],
    ['ADMIN_PASSWORD is not set', { ...PRODUCTION, ADMIN_EMAIL: 'a@example.com' }],
    [
      'ADMIN_PASSWORD is set to a value of 7 characters',
      { ...PRODUCTION, ADMIN_EMAIL: 'a@b', ADMIN_PASSWORD: '1234567' },
    ],
    ['ADMIN_EMAIL is not set', { ...PRODUCTION, ADMIN_PASSWORD: 'long enough' }],
    ['ADMIN_EMAIL is "nobody"', { ...PRODUCTION, ADMIN_EMAIL: 'nobody', ADMIN_PASSWORD: 'long enough' }],
    ['NODE_ENV is "Production"', { ...PRODUCTION, NODE_ENV: 'Production' }],
    ['ALLOWED_ORIGINS is "*"', { ...PRODUCTION, ALLOWED_ORIGINS: '*' }],
    ['ALLOWED_ORIGINS is "null"', { ...PRODUCTION, ALLOWED_ORIGINS: 'null' }],
    ['ALLOWED_ORIGINS is "https://a.test/"', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://a.test/' }],
    ['ALLOWED_ORIGINS is "https://A.test"', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://A.test' }],
    ['ALLOWED_ORIGINS is "https://a.test:443"', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://a.test:443' }],
    ['ALLOWED_ORIGINS is "https://*.a.test"', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://*.a.test' }],
    ['ALLOWED_ORIGINS is "https://a.test,"', { ...PRODUCTION, ALLOWED_ORIGINS: 'https://a.test,' }],
    ['ALLOWED_ORIGINS is "ws://a.test"', { ...PRODUCTION, ALLOWED_ORIGINS: 'ws://a.test' }],
  ])('refuses to start: %s', (message, env) => {
    expect(() => configure(env)).toThrow(message);
  });

  it('starts in production with secrets, and generates nothing there', () => {
    expect(configure(PRODUCTION)).toEqual({
      production: true,
      sessionSecrets: [SECRET],
      jwt: {
        secret: SECRET,
        previousSecret: undefined,
        jwksUri: undefined,
        issuer: undefined,
        audience: undefined,
      },
      allowedOrigins: null,
      administrator: null,
      passwordFile: null,
    });
    expect(existsSync(join(folder, 'development.json'))).toBe(false);
  });

  it('needs no shared secret where a key set is named', () => {
    expect(configure(JWKS).jwt).toEqual({
      secret: undefined,
      previousSecret: undefined,
      jwksUri: 'https://id.example.com/jwks',
      issuer: 'https://id.example.com',
      audience: 'agentline',
    });
  });

  it('takes a key set over plain http from this machine', () => {
    const uri = 'http://127.0.0.1:9000/jwks';
    expect(configure({ ...JWKS, JWT_JWKS_URI: uri }).jwt.jwksUri).toBe(uri);
  });

  it('reads a list of origins', () => {
    const config = configure({ ...PRODUCTION, ALLOWED_ORIGINS: 'https://a.test, http://localhost:5173' });
    expect(config.allowedOrigins).toEqual(['https://a.test', 'http://localhost:5173']);
  });

  it('knows the secrets before, which follow those that sign', () => {
    const previous = { SESSION_SECRET_PREVIOUS: 'a'.repeat(32), JWT_SECRET_PREVIOUS: 'b'.repeat(32) };
    const config = configure({ ...PRODUCTION, ...previous });
    expect(config.sessionSecrets).toEqual([SECRET, 'a'.repeat(32)]);
    expect(config.jwt).toMatchObject({ secret: SECRET, previousSecret: 'b'.repeat(32) });
  });

  it('reads secrets from files, also those that others need', () => {
    const config = configure({
      NODE_ENV: 'production',
      SESSION_SECRET_FILE: fileIn(folder, 'session', `${SECRET}\n`),
      JWT_SECRET_FILE: fileIn(folder, 'jwt', SECRET),
      ADMIN_EMAIL: 'root@example.com',
      ADMIN_PASSWORD_FILE: fileIn(folder, 'password', 'long enough\n'),
    });
    expect(config.sessionSecrets).toEqual([SECRET]);
    expect(config.jwt.secret).toBe(SECRET);
    expect(config.administrator).toEqual({ email: 'root@example.com', password: 'long enough' });
    expect(() => configure({ ...PRODUCTION, ADMIN_PASSWORD_FILE: join(folder, 'password') })).toThrow(
      'ADMIN_EMAIL is not set',
    );
  });

  it('takes short secrets outside production', () => {
    const config = configure({ SESSION_SECRET: 'short', JWT_SECRET: 'brief' });
    expect([config.sessionSecrets, config.jwt.secret]).toEqual([['short'], 'brief']);
  });

  it('generates what is missing outside production and finds it again', () => {
    const first = configure({});
    const kept = JSON.parse(readFileSync(join(folder, 'development.json'), 'utf8')) as Record<string, string>;

    expect(configure({})).toEqual(first);
    expect(first.sessionSecrets).toEqual([kept['session_secret']]);
    expect(first.jwt.secret).toBe(kept['jwt_secret']);
    expect(first.administrator).toEqual({ email: 'admin@localhost', password: kept['admin_password'] });
    expect(first.passwordFile).toMatch(/development\.json$/);
  });

  it('writes the address of the first administrator in lower case', () => {
    const config = configure({
      ...PRODUCTION,
      ADMIN_EMAIL: 'Root@Example.com',
      ADMIN_PASSWORD: 'long enough',
    });
    expect(config.administrator).toEqual({ email: 'root@example.com', password: 'long enough' });
  });
});
