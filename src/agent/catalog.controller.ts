import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { ToolRegistry } from '../tools/tool-registry.js';
import type { ToolDescription } from '../tools/tool.js';
import { notBuilt } from '../errors/not-built.js';

/** What can be used in a run. */
@ApiTags('catalog')
@Controller('api/agent')
export class CatalogController {
  constructor(private readonly tools: ToolRegistry) {}

  @ApiOperation({ summary: 'Tools that the model may call' })
  @Get('tools')
  listTools(): { data: ToolDescription[] } {
    return { data: this.tools.specs() };
  }

  @ApiOperation({ summary: 'Not built yet: named agents' })
  @Get('agents')
  listAgents(): never {
    return notBuilt('The list of agents');
  }
}
