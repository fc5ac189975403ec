import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { TerminusModule } from '@nestjs/terminus';
import { AuthModule } from '../auth/auth.module.js';
import { RunsModule } from '../runs/runs.module.js';
import { UsageModule } from '../usage/usage.module.js';
import { HealthController } from './health.controller.js';
import { HealthRepository } from './health.repository.js';
import { metricsConfig } from './metrics.config.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsGuard } from './metrics.guard.js';
import { ModelWatch } from './model-watch.service.js';
import { RunMetrics } from './run-metrics.service.js';

@Module({
  imports: [ConfigModule.forFeature(metricsConfig), TerminusModule, AuthModule, RunsModule, UsageModule],
  controllers: [HealthController, MetricsController],
  providers: [HealthRepository, MetricsGuard, ModelWatch, RunMetrics],
})
export class HealthModule {}
