import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { APP_GUARD } from '@nestjs/core';
import { AuditModule } from '../audit/audit.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { Accounts } from './accounts.service.js';
import { AdminKeysController } from './api-key/admin-keys.controller.js';
import { ApiKeyVerifier } from './api-key/api-key-verifier.service.js';
import { ApiKeyRepository } from './api-key/api-key.repository.js';
import { ApiKeyStrategy } from './api-key/api-key.strategy.js';
import { ApiKeysController } from './api-key/api-keys.controller.js';
import { ApiKeys } from './api-key/api-keys.service.js';
import { AuditController } from './audit/audit.controller.js';
import { authConfig, type AuthConfig } from './auth.config.js';
import { AuthController } from './auth.controller.js';
import { Authenticator } from './authenticator.service.js';
import { Expiry } from './expiry.service.js';
import { FirstAdministrator } from './first-administrator.service.js';
import { AccessTokenIssuer } from './jwt/access-token-issuer.js';
import { AccessTokenVerifier } from './jwt/access-token-verifier.js';
import { bearerToken } from './jwt/bearer-token.js';
import { boundedFetch } from './jwt/bounded-fetch.js';
import { JwtStrategy } from './jwt/jwt.strategy.js';
import { KeySet } from './jwt/key-set.js';
import { ShortSecretWarning } from './jwt/short-secret-warning.service.js';
import { LimitsGuard } from './limits/limits.guard.js';
import { LocalStrategy } from './local/local.strategy.js';
import { BegunSignIns } from './oidc/begun-sign-in.js';
import { Identities } from './oidc/identities.service.js';
import { IdentityProvider } from './oidc/identity-provider.js';
import { IdentityRepository } from './oidc/identity.repository.js';
import { LoginOpener } from './oidc/login-opener.js';
import { OidcSignIn } from './oidc/oidc-sign-in.service.js';
import { oidcConfig, type OidcConfig } from './oidc/oidc.config.js';
import { OidcController } from './oidc/oidc.controller.js';
import { UserAccounts } from './oidc/user-accounts.js';
import { OriginPolicy } from './origin/origin-policy.js';
import { ApplicationPassport } from './passport.service.js';
import { PrincipalGuard } from './principal.guard.js';
import { Revocations } from './revocations.service.js';
import { ServiceAccountRepository } from './service-account/service-account.repository.js';
import { ServiceAccountsController } from './service-account/service-accounts.controller.js';
import { ServiceAccounts } from './service-account/service-accounts.service.js';
import { LoginRepository } from './session/login.repository.js';
import { LoginsController } from './session/logins.controller.js';
import { Logins } from './session/logins.service.js';
import { SessionMiddleware } from './session/session.middleware.js';
import { SignIn } from './session/sign-in.service.js';
import { TicketRepository } from './ticket/ticket.repository.js';
import { Tickets } from './ticket/tickets.service.js';
import { PasswordChange } from './users/password-change.service.js';
import { Passwords } from './users/passwords.js';
import { UserRepository } from './users/user.repository.js';
import { UsersController } from './users/users.controller.js';
import { Users } from './users/users.service.js';

/** Who is asking: every way in, and the guard before all routes. A new way in is one more strategy here. */
@Module({
  imports: [ConfigModule.forFeature(authConfig), AuditModule, LimitsModule],
  controllers: [
    AuthController,
    AdminKeysController,
    ApiKeysController,
    AuditController,
    LoginsController,
    OidcController,
    ServiceAccountsController,
    UsersController,
  ],
  providers: [
    { provide: APP_GUARD, useClass: PrincipalGuard },
    { provide: APP_GUARD, useClass: LimitsGuard },
    Accounts,
    ApplicationPassport,
    Authenticator,
    Expiry,
    FirstAdministrator,
    Revocations,
    // Ways in, by their folders.
    ApiKeyRepository,
    ApiKeys,
    {
      provide: ApiKeyStrategy,
      useFactory: (verifier: ApiKeyVerifier) => new ApiKeyStrategy(bearerToken, verifier),
      inject: [ApiKeyVerifier],
    },
    ApiKeyVerifier,
    configured(AccessTokenIssuer, (config) => new AccessTokenIssuer(config.jwt)),
    configured(AccessTokenVerifier, (config) => new AccessTokenVerifier(config.jwt)),
    JwtStrategy,
    ShortSecretWarning,
    LocalStrategy,
    configured(BegunSignIns, (config) => new BegunSignIns(config.sessionSecrets)),
    Identities,
    {
      provide: IdentityProvider,
      useFactory: ({ provider }: OidcConfig) =>
        new IdentityProvider(provider, {
          fetch: boundedFetch,
          keysAt: (address) => new KeySet(address),
          now: Date.now,
        }),
      inject: [oidcConfig.KEY],
    },
    IdentityRepository,
    served(LoginOpener, SignIn),
    { provide: oidcConfig.KEY, useFactory: oidcConfig },
    OidcSignIn,
    served(UserAccounts, UserRepository),
    configured(OriginPolicy, (config) => new OriginPolicy(config.allowedOrigins)),
    ServiceAccountRepository,
    ServiceAccounts,
    LoginRepository,
    Logins,
    SessionMiddleware,
    SignIn,
    TicketRepository,
    Tickets,
    PasswordChange,
    Passwords,
    UserRepository,
    Users,
  ],
  exports: [Accounts, Authenticator, Revocations, FirstAdministrator, ConfigModule],
})
export class AuthModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(SessionMiddleware).forRoutes('{*path}');
  }
}

function configured<T>(provide: new (...args: never[]) => T, useFactory: (config: AuthConfig) => T) {
  return { provide, useFactory, inject: [authConfig.KEY] };
}

/** A port of a way in, and who of this module stands behind it. */
function served<T>(provide: abstract new () => T, useExisting: new (...args: never[]) => T) {
  return { provide, useExisting };
}
