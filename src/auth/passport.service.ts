import { callbackify } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import passport from 'passport';
import { JwtStrategy } from './jwt/jwt.strategy.js';
import { LocalStrategy } from './local/local.strategy.js';
import type { Principal } from './principal.js';
import { loginIdOf } from './session/login-store.js';
import { Accounts } from './accounts.service.js';
import type { User } from './user.js';

/**
 * Passport with this application's strategies, as promises.
 * An instance of its own and not the global one: two applications in a process (tests, two nodes) would
 * answer each other's requests.
 */
@Injectable()
export class ApplicationPassport {
  private readonly passport = new passport.Passport();

  constructor(
    local: LocalStrategy,
    jwt: JwtStrategy,
    private readonly accounts: Accounts,
  ) {
    this.passport.use('local', local);
    this.passport.use('jwt', jwt);
    this.passport.serializeUser<string>((user, done) => done(null, (user as User).id));
    const ownerOf = callbackify((request: Request, userId: string) => this.ownerOf(request, userId));
    this.passport.deserializeUser((request: Request, userId: string, done: Done) =>
      ownerOf(request, userId, done),
    );
  }

  /** The user whose e-mail address and password are in the body; undefined when they fit nobody. */
  byPassword(request: Request): Promise<User | undefined> {
    return this.run<User>('local', request);
  }

  /** Who the request's bearer token stands for; undefined when it has none. Throws for one that is not valid. */
  byBearer(request: Request): Promise<Principal | undefined> {
    return this.run<Principal>('jwt', request);
  }

  /** Who is signed in by the request's session; undefined without. The session has been read before. */
  async bySession(request: Request): Promise<Principal | undefined> {
    if ((request.session as unknown) === undefined) return undefined;
    await new Promise<void>((resolve, reject) => {
      const next = (error?: Error): void => (error ? reject(error) : resolve());
      (this.passport.authenticate('session') as Handler)(request, NOBODY, next);
    });
    return request.user as Principal | undefined;
  }

  /** Makes the request's session one of this user, under a new id. */
  logIn(request: Request, user: User): Promise<void> {
    return new Promise((resolve, reject) => {
      request.logIn(user, (error?: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  private run<T>(strategy: string, request: Request): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const decide = (error: unknown, found?: unknown): void =>
        error ? reject(error) : resolve((found || undefined) as T | undefined);
      (this.passport.authenticate(strategy, { session: false }, decide) as Handler)(request, NOBODY, decide);
    });
  }

  private async ownerOf(request: Request, userId: string): Promise<Principal | false> {
    const user = await this.accounts.findActive(userId);
    if (user === undefined) return false;
    return {
      userId: user.id,
      tenantId: user.tenantId,
      email: user.email,
      roles: user.roles,
      via: 'cookie',
      loginId: loginIdOf(request.sessionID),
      expiresAt: null,
    };
  }
}

type Done = (error: unknown, user?: Principal | false) => void;
type Handler = (request: Request, response: Response, next: (error?: Error) => void) => void;

/** With a callback Passport leaves the response alone. */
const NOBODY = {} as Response;
