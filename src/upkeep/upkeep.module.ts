import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { AgentsModule } from '../agents/agents.module.js';
import { modelConfig } from '../model/model.config.js';
import { RunsModule } from '../runs/runs.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { CompactionsController } from './compactions.controller.js';
import { Compactions, CompactionStores } from './compactions.service.js';
import { Titles, TitleStores } from './titles.service.js';
import { upkeepConfig } from './upkeep.config.js';

/** What is done for conversations beside their runs. */
@Module({
  imports: [
    ConfigModule.forFeature(upkeepConfig),
    ConfigModule.forFeature(modelConfig),
    AgentsModule,
    RunsModule,
    SessionsModule,
    ToolsModule,
    UsageModule,
  ],
  controllers: [CompactionsController],
  providers: [CompactionStores, Compactions, TitleStores, Titles],
})
export class UpkeepModule {}
