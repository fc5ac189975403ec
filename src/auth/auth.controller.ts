import { Body, Controller, Get, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { Audited } from '../audit/audited.decorator.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { CurrentPrincipal, Public, Requires } from './access.decorator.js';
import { AccessTokenIssuer } from './jwt/access-token-issuer.js';
import type { Principal } from './principal.js';
import {
  type ChangePassword,
  changePasswordRequest,
  PasswordChange,
} from './users/password-change.service.js';
import { SignIn } from './session/sign-in.service.js';
import { Tickets } from './ticket/tickets.service.js';
import { emailAddress, userView, viewOf } from './user.js';

export const credentials = z
  .strictObject({ email: emailAddress, password: z.string().min(1).max(256) })
  .meta({ id: 'Credentials' });
type Credentials = z.output<typeof credentials>;

export const ticketRequest = z
  .strictObject({ session_id: z.string().min(1).max(64) })
  .meta({ id: 'TicketRequest' });

/** RFC 6749 §5.1 */
export const tokenView = z
  .object({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
  })
  .meta({ id: 'AccessToken' });

export const ticketView = z
  .object({
    ticket: z.string().describe('Opens one stream or socket'),
    expires_in: z.int().describe('Seconds'),
  })
  .meta({ id: 'Ticket' });

export const signedIn = z.object({ user: userView }).meta({ id: 'SignedIn' });

const SET_COOKIE = { 'Set-Cookie': { description: 'The login', schema: { type: 'string' as const } } };

@ApiTags('auth')
@Controller('api/auth')
export class AuthController {
  constructor(
    private readonly signIn: SignIn,
    private readonly tokens: AccessTokenIssuer,
    private readonly tickets: Tickets,
    private readonly passwords: PasswordChange,
  ) {}

  @ApiOperation({ summary: 'Sign in with e-mail address and password, for browsers' })
  @ApiOkResponse({ standardSchema: signedIn, description: 'Signed in', headers: SET_COOKIE })
  @Refuses('invalid_credentials', 'too_many_requests', 'unavailable')
  @Audited('auth.sign_in')
  @Post('login')
  @Public()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  login(
    @Body({ schema: credentials }) _body: Credentials,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    return this.signIn.open(request, response);
  }

  @ApiOperation({ summary: 'Sign out; streams and sockets of this login end within 5 s' })
  @ApiNoContentResponse({ description: 'The login has ended' })
  @Audited('auth.sign_out')
  @Post('logout')
  @Requires('read')
  @HttpCode(204)
  logout(@Req() request: Request, @Res({ passthrough: true }) response: Response) {
    return this.signIn.close(request, response);
  }

  @ApiOperation({ summary: 'Who one is' })
  @ApiOkResponse({ standardSchema: userView })
  @Get('me')
  @Header('Cache-Control', 'no-store')
  me(@CurrentPrincipal() principal: Principal) {
    return viewOf({ ...principal, id: principal.userId });
  }

  @ApiOperation({ summary: 'An access token for e-mail address and password, for programs' })
  @ApiOkResponse({ standardSchema: tokenView })
  @Refuses('invalid_credentials', 'too_many_requests', 'unavailable', 'not_implemented')
  @Audited('auth.token')
  @Post('token')
  @Public()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async token(@Body({ schema: credentials }) _body: Credentials, @Req() request: Request) {
    return this.tokens.issue(await this.signIn.check(request));
  }

  @ApiOperation({
    summary: 'A ticket for one stream or socket of a session, where neither header nor cookie can be sent',
  })
  @ApiCreatedResponse({ standardSchema: ticketView })
  @Refuses('not_found')
  @Audited('auth.ticket')
  @Post('tickets')
  @Requires('read')
  @Header('Cache-Control', 'no-store')
  ticket(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ticketRequest }) body: z.output<typeof ticketRequest>,
  ) {
    return this.tickets.create(principal, body.session_id);
  }

  @ApiOperation({ summary: 'Change the own password; all other logins and access tokens end' })
  @ApiNoContentResponse({ description: 'Changed' })
  @Refuses('conflict')
  @Audited('auth.password')
  @Post('password')
  @Requires('read')
  @HttpCode(204)
  @Header('Cache-Control', 'no-store')
  password(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: changePasswordRequest }) body: ChangePassword,
    @Req() request: Request,
  ) {
    return this.passwords.change(principal, body, request);
  }
}
