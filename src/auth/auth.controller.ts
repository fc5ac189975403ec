import { Body, Controller, Get, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { CurrentPrincipal, Public, Requires } from './access.decorator.js';
import { AccessTokenIssuer } from './jwt/access-token-issuer.js';
import type { Principal } from './principal.js';
import { SignIn } from './session/sign-in.service.js';
import { Tickets } from './ticket/tickets.service.js';
import { emailAddress, viewOf } from './user.js';

export const credentials = z
  .strictObject({ email: emailAddress, password: z.string().min(1).max(256) })
  .meta({ id: 'Credentials' });
type Credentials = z.output<typeof credentials>;

export const ticketRequest = z
  .strictObject({ session_id: z.string().min(1).max(64) })
  .meta({ id: 'TicketRequest' });

@Controller('api/auth')
export class AuthController {
  constructor(
    private readonly signIn: SignIn,
    private readonly tokens: AccessTokenIssuer,
    private readonly tickets: Tickets,
  ) {}

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

  @Post('logout')
  @Requires('read')
  @HttpCode(204)
  logout(@Req() request: Request, @Res({ passthrough: true }) response: Response) {
    return this.signIn.close(request, response);
  }

  @Get('me')
  @Header('Cache-Control', 'no-store')
  me(@CurrentPrincipal() principal: Principal) {
    return viewOf({ ...principal, id: principal.userId });
  }

  @Post('token')
  @Public()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async token(@Body({ schema: credentials }) _body: Credentials, @Req() request: Request) {
    return this.tokens.issue(await this.signIn.check(request));
  }

  @Post('tickets')
  @Requires('read')
  @Header('Cache-Control', 'no-store')
  ticket(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: ticketRequest }) body: z.output<typeof ticketRequest>,
  ) {
    return this.tickets.create(principal, body.session_id);
  }
}
