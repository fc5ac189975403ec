import { Global, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { DiscoveryModule } from '@nestjs/core';
import { AgentsModule } from '../agents/agents.module.js';
import { Agents } from '../agents/agents.js';
import { FrameRepository } from '../context/frame.repository.js';
import { LimitsModule } from '../limits/limits.module.js';
import { ModelModule } from '../model/model.module.js';
import { modelConfig } from '../model/model.config.js';
import { AgentNames } from '../sessions/agent-names.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { ToolsModule } from '../tools/tools.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { Dispatcher } from './dispatcher.service.js';
import { DecisionRepository } from './queue/decision.repository.js';
import { DecisionsService } from './decisions.service.js';
import { IdempotencyRepository } from './queue/idempotency.repository.js';
import { LeaseRepository } from './queue/lease.repository.js';
import { OpenRuns } from './queue/open-runs.repository.js';
import { RunListeners } from './listeners/run-listeners.service.js';
import { AgentLoopFactory, LoopStores, LoopTools } from './loop/agent-loop-factory.service.js';
import { LogRestorer } from './log-restorer.service.js';
import { RunInputRepository } from './loop/run-input.repository.js';
import { ToolLedgerRepository } from './loop/tool-ledger.repository.js';
import { ModelChoice } from './model-choice.service.js';
import { NextRuns } from './next-runs.service.js';
import { RunAttempts } from './run-attempts.service.js';
import { RunRepository } from './run.repository.js';
import { RunStarter, StartStores } from './run-starter.service.js';
import { runsConfig } from './runs.config.js';
import { RunsService } from './runs.service.js';
import { ChildReports } from './sub-agents/child-reports.service.js';
import { ChildRunRepository } from './sub-agents/child-run.repository.js';
import { ChildRuns } from './sub-agents/child-runs.service.js';
import { ChildStarter, ChildStores } from './sub-agents/child-starter.service.js';
import { subAgentsConfig } from './sub-agents/sub-agents.config.js';
import { SubAgents } from './sub-agents.js';

/** Tells sessions which agents there are: the two are neighbours and do not know each other. */
@Global()
@Module({
  imports: [AgentsModule],
  providers: [{ provide: AgentNames, useExisting: Agents }],
  exports: [AgentNames],
})
class AgentNamesModule {}

@Module({
  imports: [
    ConfigModule.forFeature(runsConfig),
    ConfigModule.forFeature(subAgentsConfig),
    AgentsModule,
    AgentNamesModule,
    ConfigModule.forFeature(modelConfig),
    DiscoveryModule,
    LimitsModule,
    ModelModule,
    SessionsModule,
    ToolsModule,
    UsageModule,
  ],
  providers: [
    RunRepository,
    LeaseRepository,
    OpenRuns,
    DecisionRepository,
    IdempotencyRepository,
    ToolLedgerRepository,
    RunInputRepository,
    LoopStores,
    FrameRepository,
    LoopTools,
    AgentLoopFactory,
    LogRestorer,
    RunListeners,
    RunAttempts,
    Dispatcher,
    DecisionsService,
    StartStores,
    NextRuns,
    RunStarter,
    ModelChoice,
    RunsService,
    ChildRunRepository,
    ChildStores,
    ChildStarter,
    ChildReports,
    { provide: SubAgents, useClass: ChildRuns },
  ],
  exports: [RunsService, DecisionsService, NextRuns, RunRepository, LogRestorer, Dispatcher],
})
export class RunsModule {}
