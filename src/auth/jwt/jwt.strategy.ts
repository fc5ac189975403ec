import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { Request } from 'express';
import { Strategy } from 'passport-jwt';
import { AppError } from '../../errors/app-error.js';
import { SCOPES } from '../permissions.js';
import type { Principal, Role, Scope } from '../principal.js';
import { Accounts } from '../accounts.service.js';
import { role } from '../user.js';
import { AccessTokenVerifier, type AccessClaims } from './access-token-verifier.js';
import { bearerToken } from './bearer-token.js';

/**
 * Bearer tokens. passport-jwt checks with one secret or PEM key and knows no EdDSA, so the check itself is
 * jose's; what is left of passport-jwt is the strategy.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly verifier: AccessTokenVerifier,
    private readonly accounts: Accounts,
  ) {
    super({ jwtFromRequest: bearerToken, secretOrKeyProvider: refuse });
  }

  /** Fails without a token, succeeds with its principal; a token that is not valid is an error. */
  override authenticate(request: Request): void {
    const token = bearerToken(request);
    if (token === null) {
      this.fail(401);
      return;
    }
    this.validate(token).then(
      (principal) => this.success(principal),
      (error: Error) => this.error(error),
    );
  }

  /** The account's roles count where there is an account; the token's where the identity provider has it. */
  async validate(token: string): Promise<Principal> {
    const claims = await this.verifier.verify(token);
    const principal = await this.accounts.confirm({
      userId: claims.sub,
      tenantId: claims.tenant_id,
      email: claims.email ?? null,
      roles: rolesOf(claims),
      via: 'bearer',
      loginId: null,
      expiresAt: claims.exp * 1000,
      scopes: scopesOf(claims),
      token: {
        generation: claims.gen,
        issuedAt: claims.iat === undefined ? undefined : claims.iat * 1000,
      },
    });
    if (principal !== undefined) return principal;
    throw new AppError('unauthenticated', 'The account of the access token is not active here.');
  }
}

function rolesOf(claims: AccessClaims): Role[] {
  const known = claims.roles.flatMap((name) => role.safeParse(name).data ?? []);
  return known.length > 0 ? known : ['member'];
}

/** A token that names none of our scopes is for all that its user may; names of others mean nothing here. */
function scopesOf(claims: AccessClaims): Scope[] | undefined {
  const named = SCOPES.filter((scope) => claims.scope?.includes(scope));
  return named.length > 0 ? named : undefined;
}

/** passport-jwt wants to know where keys come from; it is never asked to use one. */
function refuse(_request: unknown, _token: unknown, done: (error: Error) => void): void {
  done(new Error('Tokens are checked by AccessTokenVerifier'));
}
