import { Logger, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { CalculateTool } from './calculate/calculate.tool.js';
import { AddressGuard } from './fetch-url/address-guard.js';
import { FetchUrlTool } from './fetch-url/fetch-url.tool.js';
import { GetTimeTool } from './get-time/get-time.tool.js';
import { ToolCaller } from './tool-caller.js';
import { ToolExplorerService } from './tool-explorer.service.js';
import { ToolRegistry } from './tool-registry.js';

const logger = new Logger('Tools');

@Module({
  imports: [DiscoveryModule],
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
  ],
  exports: [ToolRegistry, ToolCaller],
})
export class ToolsModule {}
