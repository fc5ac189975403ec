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
import { createKey, type CreateKey, listKeys, type ListKeys } from './api-key.js';
import { ApiKeys } from './api-keys.service.js';
import { type KeyList, keyList, type NewKeyView, newKeyView } from './views.js';

@ApiTags('keys')
@Controller('api/auth/keys')
@Requires('read')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeys) {}

  @ApiOperation({ summary: 'Make a key for a program of one’s own; it is shown this once' })
  @ApiCreatedResponse({ standardSchema: newKeyView })
  @Refuses('conflict')
  @Post()
  @Audited('key.create', { keep: ['scopes', 'expires_at'] })
  @Header('Cache-Control', 'no-store')
  create(
    @CurrentPrincipal() principal: Principal,
    @Body({ schema: createKey }) body: CreateKey,
  ): Promise<NewKeyView> {
    return this.keys.create(principal, body);
  }

  @ApiOperation({ summary: 'Own keys, newest first, without their secrets' })
  @ApiOkResponse({ standardSchema: keyList })
  @Get()
  @Header('Cache-Control', 'no-store')
  list(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: listKeys }) query: ListKeys,
  ): Promise<KeyList> {
    return this.keys.list(principal, query);
  }

  @ApiOperation({ summary: 'End a key of one’s own, with its streams and sockets' })
  @ApiNoContentResponse({ description: 'The key has ended' })
  @Delete(':id')
  @Audited('key.end')
  @HttpCode(204)
  end(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<void> {
    return this.keys.end(principal, id);
  }
}
