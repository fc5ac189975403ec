import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { CookieOptions, Request, Response } from 'express';
import { AppError, hasCode } from '../../errors/app-error.js';
import { BEGUN_SECONDS, type BegunSignIn, BegunSignIns } from './begun-sign-in.js';
import { Identities } from './identities.service.js';
import { IdentityProvider } from './identity-provider.js';
import { IdentityRepository } from './identity.repository.js';
import { LoginOpener } from './login-opener.js';
import { oidcConfig, type OidcConfig } from './oidc.config.js';

const CALLBACK_PATH = '/api/auth/oidc/callback';

/** Makes a try, and counts when it fails. */
type Attempt = <T>(work: () => Promise<T>) => Promise<T>;

/** Signing in with the identity provider: from here to there, and back. */
@Injectable()
export class OidcSignIn {
  private readonly logger = new Logger(OidcSignIn.name);

  constructor(
    @Inject(oidcConfig.KEY) private readonly config: OidcConfig,
    private readonly provider: IdentityProvider,
    private readonly begun: BegunSignIns,
    private readonly identities: Identities,
    private readonly marks: IdentityRepository,
    private readonly logins: LoginOpener,
  ) {}

  /** The address to send the browser to, which gets a cookie to come back with. */
  async begin(request: Request, response: Response, returnTo: string): Promise<string> {
    const { begun, address } = await this.provider.begin(this.redirectUri(request), returnTo);
    const { name, options } = cookieOf(request);
    const sealed = await this.begun.seal(begun);
    response.cookie(name, sealed, { ...options, maxAge: BEGUN_SECONDS * 1000 });
    return address.href;
  }

  /**
   * Signs in who comes back, once.
   * @param attempt makes the one try that may be a guess: to get somebody's name from the provider. An answer to no
   * sign-in of this browser, which any page can have it send, is none.
   * @returns the path that the sign-in was begun for.
   * @throws AppError `sign_in_failed`, `sign_in_refused`, `unavailable`
   */
  async finish(request: Request, response: Response, attempt: Attempt): Promise<string> {
    const answer = new URLSearchParams(request.url.replace(/^[^?]*/, ''));
    const begun = await this.begunBy(request, answer);
    const { name, options } = cookieOf(request);
    response.clearCookie(name, options);
    if (!(await this.marks.spend(markOf(begun.state)))) throw notBegun();
    const person = await attempt(() => this.identified(begun, answer));
    const linksVerifiedEmail = this.config.provider?.linksVerifiedEmail ?? false;
    await this.logins.begin(await this.identities.accountOf(person, linksVerifiedEmail), request, response);
    return begun.return_to;
  }

  /** An answer to a sign-in of another browser, or to none, leaves the one of this browser alone. */
  private async begunBy(request: Request, answer: URLSearchParams): Promise<BegunSignIn> {
    const sealed = valueOf(request.headers.cookie ?? '', cookieOf(request).name);
    const begun = sealed === undefined ? undefined : await this.begun.open(sealed);
    if (begun === undefined || answer.get('state') !== begun.state) throw notBegun();
    return begun;
  }

  private async identified(begun: BegunSignIn, answer: URLSearchParams) {
    try {
      return await this.provider.finish(begun, answer);
    } catch (error) {
      if (hasCode(error, 'sign_in_failed')) {
        this.logger.warn({ err: error.cause, msg: 'The identity provider did not sign somebody in' });
      }
      throw error;
    }
  }

  private redirectUri(request: Request): string {
    const origin =
      this.config.provider?.publicOrigin ?? `${request.protocol}://${request.headers.host ?? ''}`;
    return new URL(CALLBACK_PATH, origin).href;
  }
}

/** Lax: the provider's page sends the browser back. For this host alone where that can be said, as for sessions. */
function cookieOf({ secure }: Request): { name: string; options: CookieOptions } {
  return {
    name: secure ? '__Host-sign-in' : 'sign-in',
    options: { httpOnly: true, path: '/', sameSite: 'lax', secure },
  };
}

function valueOf(header: string, name: string): string | undefined {
  const pairs = header.split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

function markOf(state: string): string {
  return createHash('sha256').update(`sign-in ${state}`).digest('hex');
}

function notBegun(): AppError {
  return new AppError(
    'sign_in_failed',
    'This sign-in is over, or was begun in another browser. Sign in again.',
  );
}
