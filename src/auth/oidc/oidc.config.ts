import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { isGiven, isSafeAddress, readEnvironment } from '../../errors/environment.js';

/** The identity provider (OpenID Connect) that people may sign in with; `provider` is null without one. */
export const oidcConfig = registerAs('oidc', () => {
  const given = readEnvironment(process.env, variables(process.env));
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId } = given;
  if (issuer === undefined || clientId === undefined) return { provider: null };
  return {
    provider: {
      issuer: new URL(issuer),
      clientId,
      clientSecret: given.OIDC_CLIENT_SECRET,
      scopes: given.OIDC_SCOPES,
      /** Names of claims, or paths in dots; undefined: the provider does not say. */
      tenantClaim: given.OIDC_TENANT_CLAIM,
      rolesClaim: given.OIDC_ROLES_CLAIM,
      linksVerifiedEmail: given.OIDC_LINK_VERIFIED_EMAIL === 'true',
      /** Origin of the address that the provider sends people back to; undefined: as the server was called. */
      publicOrigin: given.PUBLIC_URL,
    },
  };
});

export type OidcConfig = ConfigType<typeof oidcConfig>;

function variables(env: NodeJS.ProcessEnv) {
  const production = env['NODE_ENV'] === 'production';
  const isOn = isGiven(env, 'OIDC_ISSUER');
  const hasClient = isGiven(env, 'OIDC_CLIENT_ID');
  const issuer = z.string().refine((text) => isSafeAddress(text, production) && !/[?#]/.test(text));
  const clientId = z.string().regex(/^[\x20-\x7e]{1,255}$/);
  return {
    OIDC_ISSUER: (hasClient ? issuer : issuer.optional()).describe(
      'the https address of an OpenID provider, its `issuer`; needed with OIDC_CLIENT_ID',
    ),
    OIDC_CLIENT_ID: (isOn ? clientId : clientId.optional()).describe(
      'the id that the provider knows this server by; needed with OIDC_ISSUER',
    ),
    OIDC_CLIENT_SECRET: z.string().optional().describe('the secret that goes with OIDC_CLIENT_ID'),
    OIDC_SCOPES: z
      .string()
      .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/)
      .refine((text) => text.split(' ').includes('openid'))
      .default('openid email profile')
      .describe('scopes with single blanks between them, openid among them'),
    OIDC_TENANT_CLAIM: claimName,
    OIDC_ROLES_CLAIM: claimName,
    OIDC_LINK_VERIFIED_EMAIL: z.enum(['true', 'false']).default('false').describe('true or false'),
    PUBLIC_URL: z
      .string()
      .refine((text) => isSafeAddress(text, production) && new URL(text).origin === text)
      .optional()
      .describe('the https origin under which people reach this server, like https://agents.example.com'),
  };
}

const claimName = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/)
  .optional()
  .describe('the name of a claim');
