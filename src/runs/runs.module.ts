import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { DiscoveryModule } from '@nestjs/core';
import { ModelModule } from '../model/model.module.js';
import { modelConfig } from '../model/model.config.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { Dispatcher } from './dispatcher.service.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { LeaseRepository } from './lease.repository.js';
import { RunListeners } from './listeners/run-listeners.service.js';
import { AgentLoopFactory, LoopStores } from './loop/agent-loop-factory.service.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';
import { RunRepository } from './run.repository.js';
import { RunStarter } from './run-starter.service.js';
import { runsConfig } from './runs.config.js';
import { RunsService } from './runs.service.js';

@Module({
  imports: [
    ConfigModule.forFeature(runsConfig),
    ConfigModule.forFeature(modelConfig),
    DiscoveryModule,
    ModelModule,
    SessionsModule,
    ToolsModule,
  ],
  providers: [
    RunRepository,
    LeaseRepository,
    IdempotencyRepository,
    ToolLedgerRepository,
    LoopStores,
    AgentLoopFactory,
    RunListeners,
    Dispatcher,
    RunStarter,
    RunsService,
  ],
  exports: [RunsService, RunRepository, Dispatcher],
})
export class RunsModule {}
