import { Global, Inject, Logger, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { Database } from '../database/database.js';
import { Metrics } from '../telemetry/metrics.js';
import { eventLogConfig, type EventLogConfig } from './event-log.config.js';
import { EventLog } from './event-log.js';
import { SqlEventLog } from './sql/sql-event-log.js';

@Global()
@Module({
  imports: [ConfigModule.forFeature(eventLogConfig)],
  providers: [
    {
      provide: EventLog,
      inject: [Database, Metrics],
      useFactory: (database: Database, metrics: Metrics): EventLog =>
        new SqlEventLog(database, (seconds) => metrics.logAppendSeconds.observe(seconds)),
    },
  ],
  exports: [EventLog],
})
export class EventLogModule {
  constructor(@Inject(eventLogConfig.KEY) { REDIS_URL }: EventLogConfig) {
    if (REDIS_URL === undefined) return;
    new Logger('EventLog').warn('REDIS_URL is set, but Redis is not built yet: events stay in the database.');
  }
}
