import { ServerResponse } from 'node:http';
import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { CookieOptions, NextFunction, Request, RequestHandler, Response } from 'express';
import session from 'express-session';
import { authConfig, type AuthConfig } from '../auth.config.js';
import { ABSOLUTE_MS, LoginRepository } from './login.repository.js';
import { LoginStore } from './login-store.js';

/** `__Host-` binds the cookie to this host and to https (RFC 6265bis §4.1.3.2); plain http cannot have it. */
const SECURE_NAME = '__Host-session';
const PLAIN_NAME = 'session';

/** The session cookie as this request's protocol has it. */
export function sessionCookie(request: Request): { name: string; options: CookieOptions } {
  const { secure } = request;
  return {
    name: secure ? SECURE_NAME : PLAIN_NAME,
    options: { httpOnly: true, path: '/', sameSite: 'lax', secure },
  };
}

/** express-session for requests that bring the cookie; the others cost nothing and have no `request.session`. */
@Injectable()
export class SessionMiddleware implements NestMiddleware {
  private readonly secure: RequestHandler;
  private readonly plain: RequestHandler;

  constructor(@Inject(authConfig.KEY) config: AuthConfig, logins: LoginRepository) {
    const handler = (name: string, secure: boolean): RequestHandler =>
      session({
        name,
        secret: config.sessionSecrets,
        store: new LoginStore(logins),
        cookie: { httpOnly: true, path: '/', sameSite: 'lax', secure, maxAge: ABSOLUTE_MS },
        resave: false,
        saveUninitialized: false,
      });
    this.secure = handler(SECURE_NAME, true);
    this.plain = handler(PLAIN_NAME, false);
  }

  use(request: Request, response: Response, next: NextFunction): void {
    if (hasCookie(request)) this.handlerFor(request)(request, response, next);
    else next();
  }

  /** Gives the request a session in any case: the one of its cookie, or a new one that nobody knows yet. */
  begin(request: Request, response: Response): Promise<void> {
    return run(this.handlerFor(request), request, response);
  }

  /**
   * The middleware as a promise.
   * @param response without it the request is no HTTP exchange, but a socket's handshake: nothing can be set there.
   */
  read(request: Request, response = new ServerResponse(request) as Response): Promise<void> {
    return run((...exchange) => this.use(...exchange), request, response);
  }

  private handlerFor(request: Request): RequestHandler {
    return request.secure ? this.secure : this.plain;
  }
}

function hasCookie(request: Request): boolean {
  const start = `${sessionCookie(request).name}=`;
  return (request.headers.cookie ?? '').split(';').some((pair) => pair.trimStart().startsWith(start));
}

function run(handler: RequestHandler, request: Request, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    void handler(request, response, (error?: unknown) => {
      if (error === undefined || error === null) resolve();
      else reject(error instanceof Error ? error : new Error('The session cannot be read', { cause: error }));
    });
  });
}
