import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { Shares } from './shares.service.js';

const MAX_USERS = 100;

/** Ids of users are what their identity provider says: printable, no blanks, and not the sign for everybody. */
const userId = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be the id of a user')
  .refine((id) => id !== '*', 'must be the id of a user');

const replaceShares = z
  .strictObject({ with: z.union([z.literal('tenant'), z.array(userId).max(MAX_USERS)]) })
  .meta({ id: 'ReplaceShares' });
type ReplaceShares = z.output<typeof replaceShares>;

const shareView = z
  .object({ with: z.union([z.literal('tenant'), z.array(z.string())]) })
  .meta({ id: 'SessionShares' });
type ShareView = z.output<typeof shareView>;

@ApiTags('sessions')
@Controller('api/agent/sessions')
export class SharesController {
  constructor(private readonly shares: Shares) {}

  @ApiOperation({ summary: 'Whom of the tenant a conversation is shown to' })
  @ApiOkResponse({ standardSchema: shareView })
  @Get(':id/shares')
  async find(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ShareView> {
    return { with: await this.shares.find(principal, id) };
  }

  @ApiOperation({
    summary: 'Show a conversation, read-only, to these users of the tenant, or to all, and nobody else',
  })
  @ApiOkResponse({ standardSchema: shareView })
  @Audited('session.share', { keep: ['with'] })
  @Put(':id/shares')
  async replace(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: replaceShares }) body: ReplaceShares,
  ): Promise<ShareView> {
    return { with: await this.shares.replace(principal, id, body.with) };
  }
}
