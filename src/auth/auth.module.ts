import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { APP_GUARD } from '@nestjs/core';
import { authConfig, type AuthConfig } from './auth.config.js';
import { AuthController } from './auth.controller.js';
import { Authenticator } from './authenticator.service.js';
import { FirstAdministrator } from './first-administrator.service.js';
import { AccessTokenIssuer } from './jwt/access-token-issuer.js';
import { AccessTokenVerifier } from './jwt/access-token-verifier.js';
import { JwtStrategy } from './jwt/jwt.strategy.js';
import { LocalStrategy } from './local/local.strategy.js';
import { OriginPolicy } from './origin/origin-policy.js';
import { ApplicationPassport } from './passport.service.js';
import { PrincipalGuard } from './principal.guard.js';
import { Revocations } from './revocations.service.js';
import { Expiry } from './expiry.service.js';
import { LoginRepository } from './session/login.repository.js';
import { SessionMiddleware } from './session/session.middleware.js';
import { SignIn } from './session/sign-in.service.js';
import { TicketRepository } from './ticket/ticket.repository.js';
import { Tickets } from './ticket/tickets.service.js';
import { Accounts } from './accounts.service.js';
import { Passwords } from './users/passwords.js';
import { UserRepository } from './users/user.repository.js';
import { UsersController } from './users/users.controller.js';
import { Users } from './users/users.service.js';

/** Who is asking: every way in, and the guard before all routes. A new way in is one more strategy here. */
@Module({
  imports: [ConfigModule.forFeature(authConfig)],
  controllers: [AuthController, UsersController],
  providers: [
    { provide: APP_GUARD, useClass: PrincipalGuard },
    configured(OriginPolicy, (config) => new OriginPolicy(config.allowedOrigins)),
    configured(AccessTokenVerifier, (config) => new AccessTokenVerifier(config.jwt)),
    configured(AccessTokenIssuer, (config) => new AccessTokenIssuer(config.jwt)),
    Authenticator,
    ApplicationPassport,
    LocalStrategy,
    JwtStrategy,
    SessionMiddleware,
    SignIn,
    Tickets,
    TicketRepository,
    LoginRepository,
    Expiry,
    Revocations,
    Accounts,
    Passwords,
    Users,
    UserRepository,
    FirstAdministrator,
  ],
  exports: [Authenticator, Revocations, FirstAdministrator, ConfigModule],
})
export class AuthModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(SessionMiddleware).forRoutes('{*path}');
  }
}

function configured<T>(provide: new (...args: never[]) => T, useFactory: (config: AuthConfig) => T) {
  return { provide, useFactory, inject: [authConfig.KEY] };
}
