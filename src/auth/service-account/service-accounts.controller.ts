import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal, Requires } from '../access.decorator.js';
import type { Principal } from '../principal.js';
import { type TenantQuery, tenantQuery } from '../user.js';
import {
  createServiceAccount,
  type CreateServiceAccount,
  listServiceAccounts,
  type ListServiceAccounts,
  type ServiceAccountList,
  serviceAccountList,
  type ServiceAccountView,
  serviceAccountView,
} from './service-account.js';
import { ServiceAccounts } from './service-accounts.service.js';

/** `PATCH /api/admin/users/:id` disables them and changes their roles, as it does for people. */
@ApiTags('administration')
@Controller('api/admin/service_accounts')
@Requires('admin')
export class ServiceAccountsController {
  constructor(private readonly accounts: ServiceAccounts) {}

  @ApiOperation({ summary: 'Make an account for a program; keys stand for it, nobody signs in to it' })
  @ApiCreatedResponse({ standardSchema: serviceAccountView })
  @Post()
  @Audited('service_account.create', { keep: ['tenant_id', 'roles'] })
  create(
    @CurrentPrincipal() admin: Principal,
    @Body({ schema: createServiceAccount }) body: CreateServiceAccount,
  ): Promise<ServiceAccountView> {
    return this.accounts.create(admin, body);
  }

  @ApiOperation({ summary: 'The service accounts of the tenant, newest first' })
  @ApiOkResponse({ standardSchema: serviceAccountList })
  @Get()
  list(
    @CurrentPrincipal() admin: Principal,
    @Query({ schema: listServiceAccounts }) query: ListServiceAccounts,
  ): Promise<ServiceAccountList> {
    return this.accounts.list(admin, query);
  }

  @ApiOperation({ summary: 'End a service account with its keys' })
  @ApiNoContentResponse({ description: 'The account has ended' })
  @Delete(':id')
  @Audited('service_account.delete')
  @HttpCode(204)
  delete(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
  ): Promise<void> {
    return this.accounts.delete(admin, id, query.tenant_id);
  }
}
