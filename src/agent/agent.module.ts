import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { AgentProfile } from '../agents/agent-profile.js';
import { Agents } from '../agents/agents.js';
import { AgentsModule } from '../agents/agents.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { LimitsModule } from '../limits/limits.module.js';
import { runsConfig } from '../runs/runs.config.js';
import { RunsModule } from '../runs/runs.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { Metrics } from '../telemetry/metrics.js';
import { ToolsModule } from '../tools/tools.module.js';
import { agentConfig, type AgentConfig } from './agent.config.js';
import { AgentController } from './agent.controller.js';
import { AgentGateway } from './agent.gateway.js';
import { AgentService } from './agent.service.js';
import { CatalogController } from './catalog.controller.js';
import { Drain } from './drain.service.js';
import { ViewReader } from './follow/view-reader.service.js';
import { HeartbeatWheel } from './heartbeat-wheel.js';
import { RunViews } from './run-views.service.js';
import { RunsController } from './runs.controller.js';
import { AgentSocketAdapter } from './socket/agent-socket.adapter.js';
import { SocketLimitsGuard } from './socket/socket-limits.guard.js';
import { SocketGuard } from './socket/socket.guard.js';
import { SocketViews } from './socket/socket-views.service.js';
import { LostPeers, lookPeriod } from './sse/lost-peers.js';
import { OpenStreams } from './sse/open-streams.service.js';
import { StreamAdmission } from './sse/stream-admission.middleware.js';
import { StreamProblemFilter } from './sse/stream-problem.filter.js';
import { SseStream } from './sse/sse-stream.service.js';

@Module({
  imports: [
    ConfigModule.forFeature(agentConfig),
    ConfigModule.forFeature(runsConfig),
    AgentsModule,
    AuthModule,
    LimitsModule,
    RunsModule,
    SessionsModule,
    ToolsModule,
  ],
  controllers: [AgentController, RunsController, CatalogController],
  providers: [
    {
      provide: HeartbeatWheel,
      inject: [agentConfig.KEY, Metrics],
      useFactory: (config: AgentConfig, metrics: Metrics) =>
        new HeartbeatWheel(config.HEARTBEAT_MS, () => metrics.heartbeatsTotal.inc()),
    },
    {
      provide: LostPeers,
      inject: [agentConfig.KEY],
      useFactory: (config: AgentConfig) =>
        new LostPeers(lookPeriod(config.HEARTBEAT_MS), (err) =>
          new Logger('LostPeers').debug(
            { err },
            'No table of connections: lost peers are left to the kernel',
          ),
        ),
    },
    AgentService,
    ViewReader,
    RunViews,
    StreamAdmission,
    OpenStreams,
    SseStream,
    SocketViews,
    SocketLimitsGuard,
    SocketGuard,
    AgentGateway,
    Drain,
  ],
  exports: [AgentService, HeartbeatWheel],
})
export class AgentModule {
  /**
   * The same module with agents of the application's own. It may be said in several places: each adds its own.
   * @param options.agents profiles; one with the name of a default takes its place.
   */
  static register({ agents }: { agents: readonly AgentProfile[] }): DynamicModule {
    return {
      module: RegisteredAgentsModule,
      imports: [AgentModule, AgentsModule],
      providers: [
        {
          provide: 'registered agents',
          inject: [Agents],
          useFactory: (known: Agents) =>
            agents.forEach((profile, index) =>
              known.register(profile, `AgentModule.register, agents[${index}]`),
            ),
        },
      ],
      exports: [AgentModule],
    };
  }

  /** For app.setup: how sockets come in, and how requests are refused. */
  static attach(app: NestExpressApplication): void {
    const admission = app.get(StreamAdmission, { strict: false });
    app.use('/api/agent/stream', admission.use.bind(admission));
    app.useWebSocketAdapter(new AgentSocketAdapter(app));
    app.useGlobalFilters(new StreamProblemFilter());
  }
}

/** Not `AgentModule` itself: with metadata of its own Nest would make that a second time, with all its routes. */
class RegisteredAgentsModule {}
