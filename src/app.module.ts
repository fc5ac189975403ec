import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { AgentModule } from './agent/agent.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { ConsoleModule } from './console/console.module.js';
import { DatabaseModule } from './database/database.module.js';
import { EventLogModule } from './event-log/event-log.module.js';
import { FormatsModule } from './formats/formats.module.js';
import { HealthModule } from './health/health.module.js';
import { ModelModule } from './model/model.module.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { ignoreEnvFile, serverConfig } from './server.config.js';
import { UpkeepModule } from './upkeep/upkeep.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { WorkspaceModule } from './workspace/workspace.module.js';

/** The map: one line a module, from the ground up. Modules of your own go at the end. */
@Module({
  imports: [
    ConfigModule.forRoot({ load: [serverConfig], ignoreEnvFile }),
    TelemetryModule,
    DatabaseModule,
    AuditModule,
    EventLogModule,
    AuthModule,
    ModelModule,
    AgentModule,
    FormatsModule,
    WorkspaceModule,
    UpkeepModule,
    HealthModule,
    OpenApiModule,
    ConsoleModule,
  ],
})
export class AppModule {}
