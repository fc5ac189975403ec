import { Logger, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { DiscoveryModule } from '@nestjs/core';
import { AddressGuard } from './address-guard.js';
import { CalculateTool } from './calculate/calculate.tool.js';
import { FetchUrlTool } from './fetch-url/fetch-url.tool.js';
import { GetTimeTool } from './get-time/get-time.tool.js';
import { TaskTool } from './task/task.tool.js';
import { McpController } from './mcp/mcp.controller.js';
import { McpToolRepository } from './mcp/mcp-tool.repository.js';
import { mcpConfig } from './mcp/mcp.config.js';
import { Mcp } from './mcp/mcp.service.js';
import { ToolCaller } from './tool-caller.js';
import { ToolExplorerService } from './tool-explorer.service.js';
import { ToolRegistry } from './tool-registry.js';
import { workspaceConfig } from './workspace/workspace.config.js';
import { WorkspaceFiles } from './workspace/workspace-files.service.js';
import { WorkspaceFilesTool } from './workspace/workspace-files.tool.js';
import { WorkspaceSearchTool } from './workspace/workspace-search.tool.js';
import { WorkspaceRepository } from './workspace/workspace.repository.js';
import { Workspaces } from './workspaces.service.js';

const logger = new Logger('Tools');

@Module({
  imports: [DiscoveryModule, ConfigModule.forFeature(mcpConfig), ConfigModule.forFeature(workspaceConfig)],
  controllers: [McpController],
  providers: [
    ToolRegistry,
    ToolExplorerService,
    {
      provide: ToolCaller,
      useFactory: () =>
        new ToolCaller((error, tool, { runId, toolCallId }) =>
          logger.error({ err: error, tool, run_id: runId, tool_call_id: toolCallId }, 'A tool failed'),
        ),
    },
    AddressGuard,
    CalculateTool,
    FetchUrlTool,
    GetTimeTool,
    McpToolRepository,
    Mcp,
    TaskTool,
    WorkspaceRepository,
    WorkspaceFiles,
    WorkspaceFilesTool,
    WorkspaceSearchTool,
    Workspaces,
  ],
  exports: [ToolRegistry, ToolCaller, Workspaces],
})
export class ToolsModule {}
