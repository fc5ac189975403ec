import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Agents } from '../agents/agents.js';
import { ToolRegistry } from '../tools/tool-registry.js';
import type { ToolDescription } from '../tools/tool.js';
import { type AgentList, agentList, toolList, viewAgent } from './views.js';

/** What can be used in a run. */
@ApiTags('catalog')
@Controller('api/agent')
export class CatalogController {
  constructor(
    private readonly tools: ToolRegistry,
    private readonly agents: Agents,
  ) {}

  @ApiOperation({ summary: 'Tools that the model may call' })
  @ApiOkResponse({ standardSchema: toolList })
  @Get('tools')
  listTools(): { data: ToolDescription[] } {
    return { data: this.tools.specs() };
  }

  @ApiOperation({ summary: 'Agents that a session or a run may name, with the tools that each may use' })
  @ApiOkResponse({ standardSchema: agentList })
  @Get('agents')
  listAgents(): AgentList {
    const usual = this.agents.default.name;
    const data = this.agents
      .list()
      .map((profile) => viewAgent(profile, this.tools.select(profile.tools ?? 'all').names(), usual));
    return { data };
  }
}
