import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal, Requires } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { Refuses } from '../../errors/refuses.decorator.js';
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

const toolServerTool = z
  .object({
    server: z.string(),
    tool: z.string(),
    state: z
      .enum(['accepted', 'changed', 'blocked'])
      .describe('changed: describes itself differently than accepted; blocked: was never accepted'),
    fingerprint: z.string(),
    description: z.unknown(),
    accepted_fingerprint: z.string().nullable(),
    accepted_description: z.unknown(),
    accepted_by: z.string().nullable().describe('null: the first sight was trusted'),
    accepted_at: z.iso.datetime().nullable(),
    seen_at: z.iso.datetime(),
  })
  .meta({ id: 'ToolServerTool' }) satisfies z.ZodType<McpToolView>;

const toolServerTools = z.object({ data: z.array(toolServerTool) }).meta({ id: 'ToolServerTools' });

/** What administrators trust of tool servers; these are of the whole installation and not of one tenant. */
@ApiTags('administration')
@Controller('api/admin/mcp/tools')
@Requires('admin')
export class McpController {
  constructor(private readonly mcp: Mcp) {}

  @ApiOperation({
    summary: 'Tools of tool servers, how they describe themselves and what of it was accepted',
  })
  @ApiOkResponse({ standardSchema: toolServerTools })
  @Get()
  async list(@CurrentPrincipal() admin: Principal): Promise<{ data: McpToolView[] }> {
    return { data: await this.mcp.list(admin) };
  }

  @ApiOperation({ summary: 'Accept what a tool says of itself now' })
  @ApiOkResponse({ standardSchema: toolServerTool })
  @Refuses('not_found', 'conflict')
  @Audited('mcp_tool.accept', { keep: ['server', 'tool', 'fingerprint'] })
  @Post('accept')
  @HttpCode(200)
  accept(
    @CurrentPrincipal() admin: Principal,
    @Body({ schema: acceptToolRequest }) body: z.output<typeof acceptToolRequest>,
  ): Promise<McpToolView> {
    return this.mcp.accept(admin, body);
  }
}
