import { Body, Controller, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Audited } from '../audit/audited.decorator.js';
import { CurrentPrincipal } from '../auth/access.decorator.js';
import type { Principal } from '../auth/principal.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { Compactions } from './compactions.service.js';

const nothing = z.strictObject({}).optional();

const compactionView = z.object({ session_id: z.string(), summary: z.string() }).meta({ id: 'Compaction' });
type CompactionView = z.output<typeof compactionView>;

@ApiTags('sessions')
@Controller('api/agent/sessions')
export class CompactionsController {
  constructor(private readonly compactions: Compactions) {}

  @ApiOperation({ summary: 'Shorten a conversation for the model; its messages stay' })
  @ApiOkResponse({ standardSchema: compactionView })
  @Refuses('conflict', 'session_busy', 'budget_exceeded', 'model_failed')
  @Audited('session.compact')
  @Post(':id/compact')
  @HttpCode(HttpStatus.OK)
  async compact(
    @CurrentPrincipal() principal: Principal,
    @Param('id') sessionId: string,
    @Body({ schema: nothing }) _body: unknown,
  ): Promise<CompactionView> {
    const { summary } = await this.compactions.compact(principal, sessionId);
    return { session_id: sessionId, summary };
  }
}
