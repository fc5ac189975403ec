import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CurrentPrincipal, Requires } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { Mcp, type McpToolView } from './mcp.service.js';

export const acceptToolRequest = z
  .strictObject({
    server: z.string().min(1).max(32),
    tool: z.string().min(1).max(256),
    fingerprint: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('Of the description that is accepted, as the list has it'),
  })
  .meta({ id: 'AcceptToolRequest' });

/** What administrators trust of tool servers; these are of the whole installation and not of one tenant. */
@ApiTags('administration')
@Controller('api/admin/mcp/tools')
@Requires('admin')
export class McpController {
  constructor(private readonly mcp: Mcp) {}

  @ApiOperation({
    summary: 'Tools of tool servers, how they describe themselves and what of it was accepted',
  })
  @Get()
  async list(@CurrentPrincipal() admin: Principal): Promise<{ data: McpToolView[] }> {
    return { data: await this.mcp.list(admin) };
  }

  @ApiOperation({ summary: 'Accept what a tool says of itself now' })
  @Post('accept')
  @HttpCode(200)
  accept(
    @CurrentPrincipal() admin: Principal,
    @Body({ schema: acceptToolRequest }) body: z.output<typeof acceptToolRequest>,
  ): Promise<McpToolView> {
    return this.mcp.accept(admin, body);
  }
}
