import { Module } from '@nestjs/common';
import { AgentModule } from '../agent/agent.module.js';
import { RunsModule } from '../runs/runs.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { RunChangesController } from './run-changes.controller.js';
import { RunChanges } from './run-changes.service.js';

@Module({
  imports: [AgentModule, RunsModule, ToolsModule],
  controllers: [RunChangesController],
  providers: [RunChanges],
})
export class WorkspaceModule {}
