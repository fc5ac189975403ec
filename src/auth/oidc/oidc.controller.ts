import { Controller, Get, Header, Inject, Query, Redirect, Req, Res, UseFilters } from '@nestjs/common';
import { ApiFoundResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { Audited } from '../../audit/audited.decorator.js';
import { Refuses } from '../../errors/refuses.decorator.js';
import { Attempts } from '../../limits/attempts.service.js';
import { Public } from '../access.decorator.js';
import { oidcConfig, type OidcConfig } from './oidc.config.js';
import { OidcSignIn } from './oidc-sign-in.service.js';
import { isReturnPath } from './return-path.js';
import { SignInFailureFilter } from './sign-in-failure.filter.js';

export const signInMethods = z
  .strictObject({
    password: z.literal(true).describe('POST /api/auth/login'),
    oidc: z
      .strictObject({
        name: z.string().describe('The host of the identity provider, for people'),
        login_url: z
          .string()
          .describe('Where a browser is sent to; who fails there comes back to /?sign_in_error=<code>'),
      })
      .nullable()
      .describe('null: not with an identity provider'),
  })
  .meta({ id: 'SignInMethods' });

export const loginQuery = z.strictObject({
  return_to: z
    .string()
    .refine(isReturnPath, 'Takes a path of this server')
    .default('/')
    .describe('Path of this server to come back to'),
});

/** Where the browser goes next, for @Redirect. */
interface Elsewhere {
  url: string;
}

@ApiTags('auth')
@Controller('api/auth')
@Public()
@UseFilters(SignInFailureFilter)
export class OidcController {
  constructor(
    @Inject(oidcConfig.KEY) private readonly config: OidcConfig,
    private readonly signIn: OidcSignIn,
    private readonly attempts: Attempts,
  ) {}

  @ApiOperation({ summary: 'How people may sign in here' })
  @ApiOkResponse({ standardSchema: signInMethods })
  @Get('methods')
  @Header('Cache-Control', 'no-store')
  methods(): z.output<typeof signInMethods> {
    const { provider } = this.config;
    const oidc = provider && { name: provider.issuer.host, login_url: '/api/auth/oidc/login' };
    return { password: true, oidc };
  }

  @ApiOperation({ summary: 'Sign in with the identity provider, for browsers' })
  @ApiFoundResponse({ description: 'To the identity provider' })
  @Refuses('not_found', 'sign_in_failed', 'too_many_requests', 'unavailable')
  @Get('oidc/login')
  @Header('Cache-Control', 'no-store')
  @Redirect()
  async login(
    @Query({ schema: loginQuery }) query: z.output<typeof loginQuery>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Elsewhere> {
    return { url: await this.signIn.begin(request, response, query.return_to) };
  }

  @ApiOperation({ summary: 'Where the identity provider sends the browser back to' })
  @ApiFoundResponse({
    description: 'Signed in: to the path of `return_to`; else to `/?sign_in_error=<code>`',
  })
  @Refuses('not_found', 'sign_in_failed', 'sign_in_refused', 'too_many_requests', 'unavailable')
  @Audited('auth.oidc.sign_in', { always: true })
  @Get('oidc/callback')
  @Header('Cache-Control', 'no-store')
  @Redirect()
  async callback(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Elsewhere> {
    const attempt = <T>(work: () => Promise<T>) => this.attempts.guard({ address: request.ip }, work);
    return { url: await this.signIn.finish(request, response, attempt) };
  }
}
