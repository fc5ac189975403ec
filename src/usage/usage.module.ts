import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { BudgetRepository } from './budget.repository.js';
import { LeftCallRepository } from './left-call.repository.js';
import { ModelCallRepository } from './model-call.repository.js';
import { UsageController } from './report/usage.controller.js';
import { UsageReportRepository } from './report/usage-report.repository.js';
import { RunMeters } from './run-meters.service.js';
import { usageConfig } from './usage.config.js';
import { UsageSweep } from './usage-sweep.service.js';

/** What is spent, and what may be. */
@Module({
  imports: [ConfigModule.forFeature(usageConfig)],
  controllers: [UsageController],
  providers: [
    BudgetRepository,
    ModelCallRepository,
    LeftCallRepository,
    UsageReportRepository,
    RunMeters,
    UsageSweep,
  ],
  exports: [RunMeters],
})
export class UsageModule {}
