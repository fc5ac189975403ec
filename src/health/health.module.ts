import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { TerminusModule } from '@nestjs/terminus';
import { AuthModule } from '../auth/auth.module.js';
import { RunsModule } from '../runs/runs.module.js';
import { HealthController } from './health.controller.js';
import { HealthRepository } from './health.repository.js';
import { metricsConfig } from './metrics.config.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsGuard } from './metrics.guard.js';
import { RunMetrics } from './run-metrics.service.js';

@Module({
  imports: [ConfigModule.forFeature(metricsConfig), TerminusModule, AuthModule, RunsModule],
  controllers: [HealthController, MetricsController],
  providers: [HealthRepository, MetricsGuard, RunMetrics],
})
export class HealthModule {}
