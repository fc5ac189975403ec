import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { AppError } from '../../errors/app-error.js';
import { ApplicationPassport } from '../passport.service.js';
import { Revocations } from '../revocations.service.js';
import { viewOf, type User, type UserView } from '../user.js';
import { loginIdOf } from './login-store.js';
import { sessionCookie, SessionMiddleware } from './session.middleware.js';

/** Signing in and out with e-mail address, password and cookie. */
@Injectable()
export class SignIn {
  constructor(
    private readonly passport: ApplicationPassport,
    private readonly sessions: SessionMiddleware,
    private readonly revocations: Revocations,
  ) {}

  /**
   * The user whose e-mail address and password are in the body.
   * @throws AppError `invalid_credentials`
   */
  async check(request: Request): Promise<User> {
    const user = await this.passport.byPassword(request);
    if (user === undefined) {
      throw new AppError('invalid_credentials', 'The e-mail address or the password is wrong.');
    }
    return user;
  }

  /** Begins a login under a new id, whatever the request brought (OWASP ASVS 5.0 V7.2.4). */
  async open(request: Request, response: Response): Promise<{ user: UserView }> {
    const user = await this.check(request);
    await this.sessions.begin(request, response);
    await this.passport.logIn(request, user);
    return { user: viewOf(user) };
  }

  /** Ends the login of the request's cookie everywhere, and takes the cookie back. */
  async close(request: Request, response: Response): Promise<void> {
    const { name, options } = sessionCookie(request);
    response.clearCookie(name, options);
    if ((request.session as unknown) === undefined) return;
    const loginId = loginIdOf(request.sessionID);
    await new Promise<void>((resolve, reject) => {
      request.session.destroy((error?: Error | null) => (error ? reject(error) : resolve()));
    });
    this.revocations.endLogin(loginId);
  }
}
