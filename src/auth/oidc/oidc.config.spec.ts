import { afterEach, describe, expect, it } from '@jest/globals';
import { oidcConfig } from './oidc.config.js';

const ON = { OIDC_ISSUER: 'https://id.example.com/realm', OIDC_CLIENT_ID: 'agentline' };
const PRODUCTION = { NODE_ENV: 'production' };

function configure(env: NodeJS.ProcessEnv) {
  process.env = env;
  return oidcConfig();
}

describe('the configuration of the identity provider', () => {
  const original = process.env;
  afterEach(() => {
    process.env = original;
  });

  it('is off without an issuer', () => {
    expect(configure({})).toEqual({ provider: null });
    expect(configure({ PUBLIC_URL: 'https://a.test', OIDC_ROLES_CLAIM: 'groups' })).toEqual({
      provider: null,
    });
  });

  it('needs issuer and client, and has defaults for the rest', () => {
    expect(configure({ ...PRODUCTION, ...ON })).toEqual({
      provider: {
        issuer: new URL('https://id.example.com/realm'),
        clientId: 'agentline',
        clientSecret: undefined,
        scopes: 'openid email profile',
        tenantClaim: undefined,
        rolesClaim: undefined,
        linksVerifiedEmail: false,
        publicOrigin: undefined,
      },
    });
  });

  it.each([
    ['OIDC_CLIENT_ID is not set', { ...ON, OIDC_CLIENT_ID: '' }],
    ['OIDC_ISSUER is not set', { ...ON, OIDC_ISSUER: '' }],
    ['OIDC_ISSUER is "id"', { ...ON, OIDC_ISSUER: 'id' }],
    ['OIDC_ISSUER is "ftp://id.test"', { ...ON, OIDC_ISSUER: 'ftp://id.test' }],
    ['OIDC_ISSUER is "https://id.test/?a=b"', { ...ON, OIDC_ISSUER: 'https://id.test/?a=b' }],
    ['OIDC_ISSUER is set to a value of', { ...ON, OIDC_ISSUER: 'https://user:word@id.test' }],
    ['OIDC_ISSUER is "http://id.test"', { ...PRODUCTION, ...ON, OIDC_ISSUER: 'http://id.test' }],
    ['OIDC_SCOPES is "email profile"', { ...ON, OIDC_SCOPES: 'email profile' }],
    ['OIDC_SCOPES is "openid,email"', { ...ON, OIDC_SCOPES: 'openid,email' }],
    ['OIDC_TENANT_CLAIM is "two words"', { ...ON, OIDC_TENANT_CLAIM: 'two words' }],
    ['OIDC_LINK_VERIFIED_EMAIL is "yes"', { ...ON, OIDC_LINK_VERIFIED_EMAIL: 'yes' }],
    ['PUBLIC_URL is "https://a.test/"', { ...ON, PUBLIC_URL: 'https://a.test/' }],
    ['PUBLIC_URL is "http://a.test"', { ...PRODUCTION, ...ON, PUBLIC_URL: 'http://a.test' }],
  ])('refuses to start: %s', (message, env) => {
    expect(() => configure(env)).toThrow(message);
  });

  it('takes plain http on loopback, and outside production', () => {
    const local = { ...ON, OIDC_ISSUER: 'http://127.0.0.1:9000' };
    expect(configure({ ...PRODUCTION, ...local }).provider?.issuer.href).toBe('http://127.0.0.1:9000/');
    expect(configure({ ...ON, OIDC_ISSUER: 'http://id.test' }).provider?.issuer.href).toBe('http://id.test/');
  });
});
