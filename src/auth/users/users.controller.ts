import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Audited } from '../../audit/audited.decorator.js';
import { Refuses } from '../../errors/refuses.decorator.js';
import { CurrentPrincipal, Requires } from '../access.decorator.js';
import type { Principal } from '../principal.js';
import { type TenantQuery, tenantQuery, userView, type UserView } from '../user.js';
import {
  type ChangeUser,
  changeUserRequest,
  type CreateUser,
  createUserRequest,
  type ListUsers,
  listUsers,
} from './requests.js';
import { Users } from './users.service.js';
import { type AccountList, accountList, type AccountView, accountView } from './views.js';

@ApiTags('users')
@Controller('api/admin/users')
@Requires('admin')
export class UsersController {
  constructor(private readonly users: Users) {}

  @ApiOperation({ summary: 'Create a user of the tenant, who signs in with a password' })
  @ApiCreatedResponse({ standardSchema: userView })
  @Refuses('conflict')
  @Audited('user.create', { keep: ['tenant_id', 'roles'] })
  @Post()
  create(
    @CurrentPrincipal() admin: Principal,
    @Body({ schema: createUserRequest }) body: CreateUser,
  ): Promise<UserView> {
    return this.users.create(admin, body);
  }

  @ApiOperation({ summary: 'Users of the tenant, newest first' })
  @ApiOkResponse({ standardSchema: accountList })
  @Get()
  list(
    @CurrentPrincipal() admin: Principal,
    @Query({ schema: listUsers }) query: ListUsers,
  ): Promise<AccountList> {
    return this.users.list(admin, query);
  }

  @ApiOperation({ summary: 'One user of the tenant' })
  @ApiOkResponse({ standardSchema: accountView })
  @Get(':id')
  find(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
  ): Promise<AccountView> {
    return this.users.find(admin, id, query.tenant_id);
  }

  @ApiOperation({
    summary: 'Change roles, or disable; what is open and not allowed any more ends within 5 s',
  })
  @ApiOkResponse({ standardSchema: accountView })
  @Refuses('conflict')
  @Audited('user.change', { keep: ['roles', 'disabled'] })
  @Patch(':id')
  change(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
    @Body({ schema: changeUserRequest }) body: ChangeUser,
  ): Promise<AccountView> {
    return this.users.change(admin, id, query.tenant_id, body);
  }

  @ApiOperation({ summary: 'End all logins and access tokens of a user, with their streams and sockets' })
  @ApiNoContentResponse({ description: 'All have ended' })
  @Audited('user.end_logins')
  @Delete(':id/sessions')
  @HttpCode(204)
  endSessions(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
  ): Promise<void> {
    return this.users.endSessions(admin, id, query.tenant_id);
  }
}
