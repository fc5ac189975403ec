import type { JWTHeaderParameters, JWTVerifyOptions } from 'jose';
import { decodeProtectedHeader } from 'jose';
import * as client from 'openid-client';
import { AppError, hasCode } from '../../errors/app-error.js';
import type { BegunSignIn } from './begun-sign-in.js';
import type { OidcConfig } from './oidc.config.js';
import { type Claims, hasAllClaims, providerUser, type ProviderUser } from './provider-claims.js';

/** What the provider says about itself is asked for again after this time, and after a failure not before that. */
const FRESH_MS = 3_600_000;
const RETRY_MS = 500;
const TIMEOUT_SECONDS = 10;
const CLOCK_SECONDS = 60;

const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** How the provider is reached, and how the keys at an address check a token. */
interface ProviderTools {
  fetch: client.CustomFetch;
  keysAt(address: URL): TokenKeys;
  /** Milliseconds since 1970. */
  now(): number;
}

interface TokenKeys {
  verify(token: string, header: JWTHeaderParameters, options: JWTVerifyOptions): Promise<unknown>;
}

interface Known {
  configuration: client.Configuration;
  keys: TokenKeys;
  at: number;
}

/**
 * The identity provider of the configuration: OpenID Connect's code flow with PKCE (RFC 9700 §2.1.1). It is asked at
 * the first sign-in, so that the server starts without it.
 * Errors are AppErrors: `not_found` when there is none, `unavailable` when it does not answer, `sign_in_failed`.
 */
export class IdentityProvider {
  private known: Known | undefined;
  private pending: Promise<Known> | undefined;
  private failedAt = -Infinity;

  constructor(
    private readonly settings: OidcConfig['provider'],
    private readonly tools: ProviderTools,
  ) {}

  /** A new sign-in, and the address that the browser has to be sent to. */
  async begin(redirectUri: string, returnTo: string): Promise<{ begun: BegunSignIn; address: URL }> {
    const { scopes } = this.needed();
    const { configuration } = await this.discovered();
    const begun = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      redirect_uri: redirectUri,
      return_to: returnTo,
    };
    const address = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: scopes,
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(begun.verifier),
      code_challenge_method: 'S256',
    });
    return { begun, address };
  }

  /** Whom the provider means with its answer, the query of the callback. */
  async finish(begun: BegunSignIn, answer: URLSearchParams): Promise<ProviderUser> {
    const settings = this.needed();
    const { configuration, keys } = await this.discovered();
    const callback = new URL(begun.redirect_uri);
    callback.search = answer.toString();
    try {
      const tokens = await client.authorizationCodeGrant(configuration, callback, {
        expectedState: begun.state,
        expectedNonce: begun.nonce,
        pkceCodeVerifier: begun.verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined || tokens.id_token === undefined) throw new Error('There is no ID token.');
      await this.checkSignature(tokens.id_token, keys, settings.clientId);
      const told = await this.complete(configuration, tokens.access_token, claims);
      return providerUser(claims.iss, claims.sub, told, settings);
    } catch (error) {
      throw asSignInError(error);
    }
  }

  /** openid-client leaves this to TLS, and to a cache that learns of new keys after a minute. */
  private async checkSignature(idToken: string, keys: TokenKeys, audience: string): Promise<void> {
    const { alg = '', ...header } = decodeProtectedHeader(idToken);
    await keys.verify(
      idToken,
      { ...header, alg },
      {
        algorithms: ALGORITHMS,
        audience,
        clockTolerance: CLOCK_SECONDS,
      },
    );
  }

  /** Claims of the ID token count before those of the provider's answer (OpenID Connect Core §5.3). */
  private async complete(
    configuration: client.Configuration,
    accessToken: string,
    claims: client.IDToken,
  ): Promise<Claims> {
    const canAsk = configuration.serverMetadata().userinfo_endpoint !== undefined;
    if (!canAsk || hasAllClaims(claims, this.needed())) return claims;
    return { ...(await client.fetchUserInfo(configuration, accessToken, claims.sub)), ...claims };
  }

  private needed(): NonNullable<OidcConfig['provider']> {
    if (this.settings !== null) return this.settings;
    throw new AppError('not_found', 'There is no sign-in with an identity provider here.');
  }

  /** The old answer serves while there is no new one. */
  private async discovered(): Promise<Known> {
    const now = this.tools.now();
    if (this.known !== undefined && now - this.known.at < FRESH_MS) return this.known;
    if (this.pending === undefined && now - this.failedAt < RETRY_MS) return this.known ?? fail(away());
    this.pending ??= this.discover().finally(() => (this.pending = undefined));
    try {
      return await this.pending;
    } catch (error) {
      return this.known ?? fail(error);
    }
  }

  private async discover(): Promise<Known> {
    const { issuer, clientId, clientSecret } = this.needed();
    try {
      const configuration = await client.discovery(
        issuer,
        clientId,
        undefined,
        authentication(clientSecret),
        {
          execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
          timeout: TIMEOUT_SECONDS,
          [client.customFetch]: (url, options) => this.ask(url, options),
        },
      );
      const { jwks_uri: address } = configuration.serverMetadata();
      if (address === undefined) throw new Error('The provider names no keys.');
      this.known = { configuration, keys: this.tools.keysAt(new URL(address)), at: this.tools.now() };
      return this.known;
    } catch (error) {
      this.failedAt = this.tools.now();
      throw away(reasonOf(error));
    }
  }

  private async ask(url: string, options: client.CustomFetchOptions): Promise<Response> {
    try {
      const response = await this.tools.fetch(url, options);
      if (response.status < 500 && response.status !== 429) return response;
      throw new Error(`It answers with status ${response.status}.`);
    } catch (error) {
      throw away(reasonOf(error));
    }
  }
}

/** As the provider takes it; without a word about it, basic (OpenID Connect Discovery §3). */
function authentication(secret: string | undefined): client.ClientAuth {
  if (secret === undefined) return client.None();
  const basic = client.ClientSecretBasic(secret);
  const post = client.ClientSecretPost(secret);
  return (server, ...rest) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    (methods.includes('client_secret_basic') ? basic : post)(server, ...rest);
  };
}

function asSignInError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  // openid-client wraps what its fetch throws.
  if (error instanceof Error && hasCode(error.cause, 'unavailable')) return error.cause;
  return new AppError('sign_in_failed', 'The identity provider did not sign you in. Try again.', {
    cause: reasonOf(error),
  });
}

function away(cause?: Error): AppError {
  return new AppError('unavailable', 'The identity provider does not answer properly. Try again later.', {
    cause,
    retryAfter: 5,
  });
}

/** For the log: without what hangs on errors of openid-client, which is whole answers with their tokens. */
function reasonOf(error: unknown): Error {
  if (error instanceof AppError && error.cause instanceof Error) return error.cause;
  if (error instanceof Error && error.cause instanceof AppError) return reasonOf(error.cause);
  const { message, code, error: name, error_description: text } = error as Record<string, unknown>;
  const parts = [message, code, name, text].filter((part) => typeof part === 'string');
  return new Error(parts.join(': ').slice(0, 300));
}

function fail(error: unknown): never {
  throw error;
}
