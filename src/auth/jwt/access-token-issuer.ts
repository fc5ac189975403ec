import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { AppError } from '../../errors/app-error.js';
import type { User } from '../user.js';
import type { AccessTokenRules } from './access-token-verifier.js';

const LIFETIME_SECONDS = 3600;

/** As RFC 6749 §5.1 has it. */
export interface TokenResponse {
  access_token: string;
  token_type: 'Bearer';
  expires_in: number;
}

/** Makes access tokens (RFC 9068, HS256) where this server holds the secret that they are checked with. */
export class AccessTokenIssuer {
  constructor(private readonly rules: AccessTokenRules) {}

  /** @throws AppError `not_implemented` when only a key set is configured: tokens come from its owner then. */
  async issue(user: User): Promise<TokenResponse> {
    const { secret, issuer, audience } = this.rules;
    if (secret === undefined) {
      throw new AppError('not_implemented', 'Access tokens come from the identity provider, not from here.');
    }
    const token = new SignJWT({ tenant_id: user.tenantId, gen: user.tokenGeneration })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      .setSubject(user.id)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME_SECONDS} s`);
    if (issuer !== undefined) token.setIssuer(issuer);
    if (audience !== undefined) token.setAudience(audience);
    const signed = await token.sign(new TextEncoder().encode(secret));
    return { access_token: signed, token_type: 'Bearer', expires_in: LIFETIME_SECONDS };
  }
}
