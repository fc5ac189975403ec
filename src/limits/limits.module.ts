import { Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { Attempts } from './attempts.service.js';
import { LimitRepository } from './limit.repository.js';
import { limitsConfig } from './limits.config.js';
import { Limits } from './limits.service.js';

/** How much users, keys and tenants may do; counted over all nodes. */
@Module({
  imports: [ConfigModule.forFeature(limitsConfig)],
  providers: [LimitRepository, Limits, Attempts],
  exports: [LimitRepository, Limits, Attempts, ConfigModule],
})
export class LimitsModule {}
