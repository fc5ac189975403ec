import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query } from '@nestjs/common';
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
import { type TenantQuery, tenantQuery } from '../user.js';
import { createKey, type CreateKey, listAllKeys, type ListAllKeys } from './api-key.js';
import { ApiKeys } from './api-keys.service.js';
import { type KeyList, keyList, type NewKeyView, newKeyView } from './views.js';

/** What administrators do with the keys of their tenant; those of people are made by these themselves only. */
@ApiTags('administration')
@Controller('api/admin')
@Requires('admin')
export class AdminKeysController {
  constructor(private readonly keys: ApiKeys) {}

  @ApiOperation({ summary: 'Keys of the tenant, or of one user, newest first, without their secrets' })
  @ApiOkResponse({ standardSchema: keyList })
  @Get('keys')
  @Header('Cache-Control', 'no-store')
  list(
    @CurrentPrincipal() admin: Principal,
    @Query({ schema: listAllKeys }) query: ListAllKeys,
  ): Promise<KeyList> {
    return this.keys.listAll(admin, query);
  }

  @ApiOperation({ summary: 'End a key of the tenant, with its streams and sockets' })
  @ApiNoContentResponse({ description: 'The key has ended' })
  @Delete('keys/:id')
  @Audited('key.end')
  @HttpCode(204)
  end(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
  ): Promise<void> {
    return this.keys.endAny(admin, id, query.tenant_id);
  }

  @ApiOperation({ summary: 'Make a key for a service account; it is shown this once' })
  @ApiCreatedResponse({ standardSchema: newKeyView })
  @Refuses('conflict')
  @Post('service_accounts/:id/keys')
  @Audited('key.create', { keep: ['scopes', 'expires_at'] })
  @Header('Cache-Control', 'no-store')
  createForService(
    @CurrentPrincipal() admin: Principal,
    @Param('id') id: string,
    @Query({ schema: tenantQuery }) query: TenantQuery,
    @Body({ schema: createKey }) body: CreateKey,
  ): Promise<NewKeyView> {
    return this.keys.createForService(admin, id, query.tenant_id, body);
  }
}
