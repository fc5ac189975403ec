import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { noteActor, noteTarget } from '../../audit/notes.js';
import { AppError } from '../../errors/app-error.js';
import { Attempts } from '../../limits/attempts.service.js';
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
    private readonly attempts: Attempts,
  ) {}

  /**
   * The user whose e-mail address and password are in the body.
   * @throws AppError `invalid_credentials`; `too_many_requests` when there were too many wrong ones
   */
  async check(request: Request): Promise<User> {
    const { email: account } = request.body as { email: string };
    const user = await this.attempts.guard({ account, address: request.ip }, () =>
      this.passport.byPassword(request),
    );
    if (user === undefined) {
      throw new AppError('invalid_credentials', 'The e-mail address or the password is wrong.');
    }
    noteSignIn(request, user);
    return user;
  }

  /** Signs in who the body names. */
  async open(request: Request, response: Response): Promise<{ user: UserView }> {
    const user = await this.check(request);
    await this.begin(user, request, response);
    return { user: viewOf(user) };
  }

  /** Begins a login under a new id, whatever the request brought (OWASP ASVS 5.0 V7.2.4). */
  async begin(user: User, request: Request, response: Response): Promise<void> {
    noteSignIn(request, user);
    await this.sessions.begin(request, response);
    await this.passport.logIn(request, user);
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

function noteSignIn(request: Request, { id, tenantId }: User): void {
  noteActor(request, { userId: id, tenantId, via: null });
  noteTarget(request, id);
}
