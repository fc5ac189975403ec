import { Controller, Delete, Get, Header, HttpCode, Param } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal, Requires } from '../access.decorator.js';
import type { Principal } from '../principal.js';
import { type LoginList, loginList, Logins } from './logins.service.js';

@ApiTags('auth')
@Controller('api/auth/logins')
@Requires('read')
export class LoginsController {
  constructor(private readonly logins: Logins) {}

  @ApiOperation({ summary: 'Where one is signed in, newest first' })
  @ApiOkResponse({ standardSchema: loginList })
  @Get()
  @Header('Cache-Control', 'no-store')
  list(@CurrentPrincipal() principal: Principal): Promise<LoginList> {
    return this.logins.list(principal);
  }

  @ApiOperation({ summary: 'Sign out there: ends a login of one’s own, with its streams and sockets' })
  @ApiNoContentResponse({ description: 'The login has ended' })
  @Audited('auth.login_end')
  @Delete(':id')
  @HttpCode(204)
  end(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    return this.logins.end(principal, id);
  }
}
