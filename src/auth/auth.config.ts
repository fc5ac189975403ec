import { relative } from 'node:path';
import { registerAs, type ConfigType } from '@nestjs/config';
import { z } from 'zod';
import { isGiven, isSafeAddress, readEnvironment } from '../errors/environment.js';
import { developmentFile, developmentSecrets } from './development-secrets.js';
import { emailAddress, password } from './user.js';

/** The administrator of a development server that names none. */
const DEVELOPMENT_ADMINISTRATOR = 'admin@localhost';
const SECRET_LENGTH = 32;

/**
 * Who may come in, from the environment.
 * With NODE_ENV=production every secret has to be given; otherwise what is missing is generated once and kept
 * in `<DATA_DIR>/development.json`.
 */
export const authConfig = registerAs('auth', () => {
  const { NODE_ENV } = readEnvironment(process.env, mode);
  const production = NODE_ENV === 'production';
  const given = readEnvironment(process.env, variables(production, process.env));
  const secrets = production ? undefined : lazySecrets(given.DATA_DIR);
  return {
    production,
    /** The first signs; the others are only taken. */
    sessionSecrets: withPrevious(
      given.SESSION_SECRET ?? secrets?.().session_secret ?? '',
      given.SESSION_SECRET_PREVIOUS,
    ),
    jwt: {
      secret: given.JWT_SECRET ?? (given.JWT_JWKS_URI === undefined ? secrets?.().jwt_secret : undefined),
      previousSecret: given.JWT_SECRET_PREVIOUS,
      jwksUri: given.JWT_JWKS_URI,
      issuer: given.JWT_ISSUER,
      audience: given.JWT_AUDIENCE,
    },
    /** Exact origins; null: the origin under which the server was called. */
    allowedOrigins: given.ALLOWED_ORIGINS ?? null,
    ...administrator(given, secrets),
  };
});

function withPrevious(secret: string, previous: string | undefined): [string, ...string[]] {
  return previous === undefined ? [secret] : [secret, previous];
}

export type AuthConfig = ConfigType<typeof authConfig>;

const mode = {
  NODE_ENV: z
    .enum(['production', 'development', 'test'])
    .default('development')
    .describe('production, development or test'),
};

/** What is needed depends on what else is set; the first that is missing is named. */
function variables(production: boolean, env: NodeJS.ProcessEnv) {
  const secret = z.string().min(production ? SECRET_LENGTH : 1);
  const secretTakes = `${SECRET_LENGTH} or more random characters (openssl rand -base64 48)`;
  const jwksUri = z.string().refine((text) => isSafeAddress(text, production));
  const byJwks = isGiven(env, 'JWT_JWKS_URI');
  return {
    DATA_DIR: z.string().default('.data').describe('a folder'),
    SESSION_SECRET: needed(secret, production, secretTakes),
    JWT_SECRET: needed(secret, production && !byJwks, `${secretTakes}, where JWT_JWKS_URI is not set`),
    SESSION_SECRET_PREVIOUS: needed(secret, false, `the SESSION_SECRET before, ${secretTakes}`),
    JWT_SECRET_PREVIOUS: needed(secret, false, `the JWT_SECRET before, ${secretTakes}`),
    JWT_JWKS_URI: needed(jwksUri, false, 'the https address of a JWK Set (RFC 7517 §5)'),
    JWT_ISSUER: needed(z.string(), byJwks, 'the `iss` of access tokens; needed with JWT_JWKS_URI'),
    JWT_AUDIENCE: needed(z.string(), byJwks, 'the `aud` of access tokens; needed with JWT_JWKS_URI'),
    ALLOWED_ORIGINS: needed(origins, false, 'a comma list of exact origins, like https://app.example.com'),
    ADMIN_EMAIL: needed(
      emailAddress,
      isGiven(env, 'ADMIN_PASSWORD'),
      'an e-mail address; needed with ADMIN_PASSWORD',
    ),
    ADMIN_PASSWORD: needed(
      password,
      isGiven(env, 'ADMIN_EMAIL'),
      '8 to 256 characters; needed with ADMIN_EMAIL',
    ),
  };
}

function needed<T extends z.ZodType>(schema: T, isNeeded: boolean, takes: string): T | z.ZodOptional<T> {
  return isNeeded ? schema.describe(takes) : schema.optional().describe(takes);
}

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .pipe(z.array(z.string().refine(isOrigin)));

/** An origin as browsers send it (RFC 6454 §6.2): scheme and host in lower case, no default port, no path. */
function isOrigin(text: string): boolean {
  return /^https?:\/\/[\w.:[\]-]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** Reads or makes the file only when something in it is needed. */
function lazySecrets(folder: string) {
  let secrets: ReturnType<typeof developmentSecrets> | undefined;
  return () => (secrets ??= developmentSecrets(folder));
}

interface GivenAdministrator {
  ADMIN_EMAIL?: string | undefined;
  ADMIN_PASSWORD?: string | undefined;
  DATA_DIR: string;
}

/** The account that an empty database begins with, and where a generated password can be read. */
function administrator(given: GivenAdministrator, secrets: ReturnType<typeof lazySecrets> | undefined) {
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password } = given;
  if (email !== undefined && password !== undefined) {
    return { administrator: { email, password }, passwordFile: null };
  }
  if (secrets === undefined) return { administrator: null, passwordFile: null };
  return {
    administrator: { email: DEVELOPMENT_ADMINISTRATOR, password: secrets().admin_password },
    passwordFile: relative(process.cwd(), developmentFile(given.DATA_DIR)),
  };
}
