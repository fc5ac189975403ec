import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { DiscoveryModule } from '@nestjs/core';
import { ModelModule } from '../model/model.module.js';
import { modelConfig } from '../model/model.config.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { Dispatcher } from './dispatcher.service.js';
import { IdempotencyRepository } from './queue/idempotency.repository.js';
import { LeaseRepository } from './queue/lease.repository.js';
import { RunListeners } from './listeners/run-listeners.service.js';
import { AgentLoopFactory, LoopStores, LoopTools } from './loop/agent-loop-factory.service.js';
import { LogRestorer } from './log-restorer.service.js';
import { RunInputRepository } from './loop/run-input.repository.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';
import { NextRuns } from './next-runs.service.js';
import { RunAttempts } from './run-attempts.service.js';
import { RunRepository } from './run.repository.js';
import { RunStarter, StartStores } from './run-starter.service.js';
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
    RunInputRepository,
    LoopStores,
    LoopTools,
    AgentLoopFactory,
    LogRestorer,
    RunListeners,
    RunAttempts,
    Dispatcher,
    StartStores,
    NextRuns,
    RunStarter,
    RunsService,
  ],
  exports: [RunsService, NextRuns, RunRepository, LogRestorer, Dispatcher],
})
export class RunsModule {}
