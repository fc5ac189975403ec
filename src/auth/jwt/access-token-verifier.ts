import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey, type JWTVerifyResult } from 'jose';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.js';
import { DEFAULT_TENANT, tenantId } from '../user.js';

export interface AccessTokenRules {
  secret?: string | undefined;
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
}

const SYMMETRIC = ['HS256'] as const;
const ASYMMETRIC = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
];

/** Seconds that clocks may differ: for the beginning, and for the end. */
const EARLY = 60;
const LATE = 5;

/** RFC 9068 §2.1 and what is older than it; media types are case-insensitive. */
const HEADER_TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

/** Keycloak and Cognito name the kind of a token in its payload. */
const PAYLOAD_TYPES = new Set(['bearer', 'jwt', 'at+jwt', 'access', 'access_token']);
/** OpenID Connect Core §3.3.2.11: only ID tokens have these. */
const ID_TOKEN_CLAIMS = ['at_hash', 'c_hash'];

/** The token itself is bad, whatever else jose can report is a failure to get keys. */
const NO_KEYS = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JWK_INVALID']);

const claims = z.object({
  sub: z.string().regex(/^[\x20-\x7e]{1,255}$/),
  exp: z.number(),
  tenant_id: tenantId.default(DEFAULT_TENANT),
  roles: z.array(z.string()).default([]),
  email: z.string().max(254).optional().catch(undefined),
});

/**
 * Checks bearer tokens as RFC 8725 and RFC 9068 §4 ask: HS256 with the shared secret, or a public key
 * algorithm with a key of the configured set, and nothing that the token itself names (`jku`, `x5u`, `jwk`).
 */
export class AccessTokenVerifier {
  private readonly algorithms: string[];
  private readonly keyOf: JWTVerifyGetKey;

  constructor(private readonly rules: AccessTokenRules) {
    const { secret, jwksUri } = rules;
    this.algorithms = [...(secret ? SYMMETRIC : []), ...(jwksUri ? ASYMMETRIC : [])];
    const shared = secret === undefined ? undefined : new TextEncoder().encode(secret);
    const published = jwksUri === undefined ? undefined : createRemoteJWKSet(new URL(jwksUri));
    this.keyOf = async (header, token) => {
      if (header.alg === 'HS256' && shared) return shared;
      if (header.alg !== 'HS256' && published) return published(header, token);
      throw new errors.JOSEAlgNotAllowed('No key for this algorithm');
    };
  }

  /**
   * @throws AppError `unauthenticated` for a token that is not valid here, `unavailable` when the key set
   * cannot be fetched.
   */
  async verify(token: string): Promise<AccessClaims> {
    const { payload, protectedHeader } = await this.verifySignature(token);
    const isAccessToken =
      HEADER_TYPES.has((protectedHeader.typ ?? 'jwt').toLowerCase()) &&
      protectedHeader.crit === undefined &&
      [payload['typ'], payload['token_use']].every(isAccessType) &&
      ID_TOKEN_CLAIMS.every((claim) => payload[claim] === undefined);
    const parsed = claims.safeParse(payload);
    if (!isAccessToken || !parsed.success || parsed.data.exp + LATE <= Date.now() / 1000) throw notValid();
    return parsed.data;
  }

  private async verifySignature(token: string): Promise<JWTVerifyResult> {
    const { issuer, audience } = this.rules;
    try {
      return await jwtVerify(token, this.keyOf, {
        algorithms: this.algorithms,
        clockTolerance: EARLY,
        requiredClaims: ['exp', 'sub'],
        ...(issuer !== undefined && { issuer }),
        ...(audience !== undefined && { audience }),
      });
    } catch (cause) {
      if (cause instanceof errors.JOSEError && !NO_KEYS.has(cause.code)) throw notValid(cause);
      throw new AppError('unavailable', 'The keys for access tokens cannot be fetched. Try again.', {
        cause,
        retryAfter: 5,
      });
    }
  }
}

/** A token that does not name its kind in the payload may be one. */
function isAccessType(kind: unknown): boolean {
  return kind === undefined || (typeof kind === 'string' && PAYLOAD_TYPES.has(kind.toLowerCase()));
}

function notValid(cause?: unknown): AppError {
  return new AppError('unauthenticated', 'The access token is not valid here. Get a new one.', { cause });
}
