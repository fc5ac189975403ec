import { Body, Controller, Get, HttpCode, HttpStatus, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { nothing } from '../agent/requests.js';
import { Audited } from '../audit/audited.decorator.js';
import { CurrentPrincipal } from '../auth/access.decorator.js';
import type { Principal } from '../auth/principal.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { RunChanges } from './run-changes.service.js';
import { type RunDiff, runDiff, type RunRevert, runRevert } from './views.js';

@ApiTags('runs')
@Controller('api/agent/runs')
export class RunChangesController {
  constructor(private readonly changes: RunChanges) {}

  @ApiOperation({ summary: 'What a run and its sub-agents changed in the workspace' })
  @ApiOkResponse({ standardSchema: runDiff })
  @Get(':id/diff')
  diff(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<RunDiff> {
    return this.changes.diff(principal, id);
  }

  @ApiOperation({ summary: 'Put the workspace back to before a run; all of its files or none' })
  @ApiOkResponse({ standardSchema: runRevert })
  @Refuses('conflict', 'session_busy')
  @Audited('run.revert')
  @Post(':id/revert')
  @HttpCode(HttpStatus.OK)
  revert(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body({ schema: nothing }) _body: unknown,
  ): Promise<RunRevert> {
    return this.changes.revert(principal, id);
  }
}
