import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import passport from 'passport';
import { clientOf } from '../audit/client-of.js';
import { ApiKeyStrategy } from './api-key/api-key.strategy.js';
import { JwtStrategy } from './jwt/jwt.strategy.js';
import { LocalStrategy } from './local/local.strategy.js';
import type { Principal } from './principal.js';
import { loginIdOf } from './session/login-store.js';
import type { User } from './user.js';
import { standingOf } from './users/standing.js';

/**
 * Passport with this application's strategies, as promises.
 * An instance of its own and not the global one: two applications in a process (tests, two nodes) would
 * answer each other's requests.
 */
@Injectable()
export class ApplicationPassport {
  private readonly passport = new passport.Passport();

  constructor(local: LocalStrategy, jwt: JwtStrategy, apiKey: ApiKeyStrategy) {
    this.passport.use('local', local);
    this.passport.use('jwt', jwt);
    this.passport.use('api-key', apiKey);
    this.passport.serializeUser<string, Request>((request, user, done) => {
      const { id, tokenGeneration } = user as User;
      request.session.generation = tokenGeneration;
      const { address, userAgent } = clientOf(request);
      request.session.client = { address, agent: userAgent };
      done(null, id);
    });
    this.passport.deserializeUser((request: Request, userId: string, done: Done) =>
      done(null, ownerOf(request, userId)),
    );
  }

  /** The user whose e-mail address and password are in the body; undefined when they fit nobody. */
  byPassword(request: Request): Promise<User | undefined> {
    return this.run<User>('local', request);
  }

  /** Who the request's bearer token stands for; undefined when it has none. Throws for one that is not valid. */
  byBearer(request: Request): Promise<Principal | undefined> {
    return this.run<Principal>(['api-key', 'jwt'], request);
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
  async logIn(request: Request, user: User): Promise<void> {
    // Passport gives a request its methods when it first looks at it.
    if ((request.logIn as unknown) === undefined) await this.bySession(request);
    await new Promise<void>((resolve, reject) => {
      request.logIn(user, (error?: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  private run<T>(strategy: string | string[], request: Request): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const decide = (error: unknown, found?: unknown): void =>
        error ? reject(error) : resolve((found || undefined) as T | undefined);
      (this.passport.authenticate(strategy, { session: false }, decide) as Handler)(request, NOBODY, decide);
    });
  }
}

/** The principal of the session's login, as its account was when the session was read. */
function ownerOf({ session, sessionID }: Request, userId: string): Principal | false {
  const { account, generation } = session;
  if (account?.id !== userId) return false;
  const login: Principal = {
    userId,
    tenantId: account.tenantId,
    email: account.email,
    roles: account.roles,
    via: 'cookie',
    loginId: loginIdOf(sessionID),
    expiresAt: null,
    // Logins of older versions do not carry it; they end when their row is deleted.
    token: generation === undefined ? undefined : { generation, issuedAt: undefined },
  };
  return standingOf(login, account) ?? false;
}

type Done = (error: unknown, user?: Principal | false) => void;
type Handler = (request: Request, response: Response, next: (error?: Error) => void) => void;

/** With a callback Passport leaves the response alone. */
const NOBODY = {} as Response;
