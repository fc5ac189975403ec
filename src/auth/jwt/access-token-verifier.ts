import { decodeProtectedHeader, type JWTHeaderParameters, type JWTVerifyResult } from 'jose';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.js';
import { DEFAULT_TENANT, tenantId } from '../user.js';
import { CheckedTokens } from './checked-tokens.js';
import { KeySet } from './key-set.js';
import { verifyWithOneOf } from './verify-with-one-of.js';

export interface AccessTokenRules {
  secret?: string | undefined;
  /** The secret before: what it has signed is taken, nothing is signed with it. */
  previousSecret?: string | undefined;
  jwksUri?: string | undefined;
  /** Compared when set. */
  issuer?: string | undefined;
  audience?: string | undefined;
}

/** What an access token says, checked. */
export interface AccessClaims {
  sub: string;
  /** Seconds since 1970 UTC. */
  exp: number;
  tenant_id: string;
  roles: string[];
  email?: string | undefined;
  /** Seconds since 1970 UTC. */
  iat?: number | undefined;
  /** Of tokens of this server: the user's generation when it was made. */
  gen?: number | undefined;
  /** Names of scopes (RFC 8693 §4.2), known here or not; undefined: the token names none. */
  scope?: string[] | undefined;
}

const SYMMETRIC: string[] = ['HS256'];
const ASYMMETRIC: string[] = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
];

/** Seconds that clocks may differ at the beginning of a token; at its end they may not. */
const EARLY = 60;

/** RFC 9068 §2.1 and what is older than it; media types are case-insensitive. */
const HEADER_TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

/** Keycloak (`typ`), Cognito (`token_use`) and others name the kind of a token in its payload. */
const KIND_CLAIMS = ['typ', 'token_use', 'token_type', 'use'];
const PAYLOAD_TYPES = new Set(['bearer', 'jwt', 'at+jwt', 'access', 'access_token']);
/** OpenID Connect Core §3.3.2.11: only ID tokens have these. */
const ID_TOKEN_CLAIMS = ['at_hash', 'c_hash'];

const claims = z.object({
  sub: z.string().regex(/^[\x20-\x7e]{1,255}$/),
  exp: z.number(),
  tenant_id: tenantId.default(DEFAULT_TENANT),
  roles: z.array(z.string()).default([]),
  email: z.string().max(254).optional().catch(undefined),
  iat: z.number().optional(),
  gen: z.int().optional().catch(undefined),
  scope: z
    .union([z.string().transform((text) => text.split(' ')), z.array(z.string())])
    .transform((names) => names.filter((name) => name !== ''))
    .optional(),
});

/**
 * Checks bearer tokens as RFC 8725 and RFC 9068 §4 ask: HS256 with the shared secret, or a public key
 * algorithm with a key of the configured set, and nothing that the token itself names (`jku`, `x5u`, `jwk`).
 */
export class AccessTokenVerifier {
  private readonly secrets: Uint8Array[];
  private readonly published: KeySet | undefined;
  /** Of our own secrets, which stay as they are; keys of others may be taken back. */
  private readonly checked = new CheckedTokens<AccessClaims>();

  constructor(private readonly rules: AccessTokenRules) {
    const { secret, previousSecret, jwksUri } = rules;
    this.secrets = [secret, previousSecret].flatMap((text) => (text ? [new TextEncoder().encode(text)] : []));
    this.published = jwksUri === undefined ? undefined : new KeySet(new URL(jwksUri));
  }

  /**
   * @throws AppError `unauthenticated` for a token that is not valid here, `unavailable` when the key set
   * cannot be fetched.
   */
  async verify(token: string): Promise<AccessClaims> {
    const said = this.checked.find(token) ?? (await this.check(token));
    if (said.exp <= Date.now() / 1000) throw notValid();
    return said;
  }

  private async check(token: string): Promise<AccessClaims> {
    const { payload, protectedHeader } = await this.verifySignature(token);
    const isAccessToken =
      KIND_CLAIMS.every((claim) => isAccessType(payload[claim])) &&
      ID_TOKEN_CLAIMS.every((claim) => payload[claim] === undefined);
    const parsed = claims.safeParse(payload);
    if (!isAccessToken || !parsed.success) throw notValid();
    // Only who makes tokens here knows our generations.
    if (protectedHeader.alg !== 'HS256') return { ...parsed.data, gen: undefined };
    this.checked.add(token, parsed.data);
    return parsed.data;
  }

  private async verifySignature(token: string): Promise<JWTVerifyResult> {
    try {
      return await this.verifyWithKeys(token, headerOf(token));
    } catch (cause) {
      throw cause instanceof AppError ? cause : notValid(cause);
    }
  }

  /** The algorithm decides whose key counts, so that a public key is never taken for a secret. */
  private verifyWithKeys(token: string, header: JWTHeaderParameters): Promise<JWTVerifyResult> {
    const { issuer, audience } = this.rules;
    const options = {
      clockTolerance: EARLY,
      requiredClaims: ['exp', 'sub'],
      ...(issuer !== undefined && { issuer }),
      ...(audience !== undefined && { audience }),
    };
    if (SYMMETRIC.includes(header.alg)) {
      return verifyWithOneOf(this.secrets, token, { ...options, algorithms: SYMMETRIC });
    }
    if (!ASYMMETRIC.includes(header.alg) || this.published === undefined) throw notValid();
    return this.published.verify(token, header, { ...options, algorithms: ASYMMETRIC });
  }
}

/** RFC 7515 §3.1; the library would read over blanks. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** Nothing is asked of anybody for a token whose header already says that it is none of ours. */
function headerOf(token: string): JWTHeaderParameters {
  if (!COMPACT.test(token)) throw notValid();
  const header = decodeProtectedHeader(token);
  const { alg, kid, typ = 'jwt', crit, zip, cty } = header;
  const isOdd = crit !== undefined || zip !== undefined || /^jwt$/i.test(cty ?? '');
  const isNamed = typeof alg === 'string' && (kid === undefined || typeof kid === 'string');
  if (isOdd || !isNamed || typeof typ !== 'string' || !HEADER_TYPES.has(typ.toLowerCase())) throw notValid();
  return { ...header, alg };
}

/** A token that does not name its kind in the payload may be one. */
function isAccessType(kind: unknown): boolean {
  return kind === undefined || (typeof kind === 'string' && PAYLOAD_TYPES.has(kind.toLowerCase()));
}

function notValid(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'The access token is not valid here. Get a new one.', { cause });
}
