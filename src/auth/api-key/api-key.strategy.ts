import type { Request } from 'express';
import passport from 'passport';
import { AppError } from '../../errors/app-error.js';
import type { Principal } from '../principal.js';
import type { ApiKeyVerifier } from './api-key-verifier.service.js';
import { KEY_PREFIX } from './key-text.js';

/** Where a request carries its bearer token; null without. */
type TokenReader = (request: Request) => string | null;

/** API keys, sent like access tokens. To be asked before whoever takes every bearer token for a JWT. */
export class ApiKeyStrategy extends passport.Strategy {
  constructor(
    private readonly tokenOf: TokenReader,
    private readonly verifier: Pick<ApiKeyVerifier, 'verify'>,
  ) {
    super();
  }

  /** Fails without a token that begins like a key, so that other ways are tried; a key that does not count is an error. */
  override authenticate(request: Request): void {
    const token = this.tokenOf(request);
    if (token === null || !token.startsWith(KEY_PREFIX)) {
      this.fail(401);
      return;
    }
    this.verifier.verify(token).then(
      (principal) => this.decide(principal),
      (error: Error) => this.error(error),
    );
  }

  private decide(principal: Principal | undefined): void {
    if (principal !== undefined) this.success(principal);
    else this.error(new AppError('unauthenticated', 'The API key is not valid here, or not any more.'));
  }
}
