import { Global, Module } from '@nestjs/common';
import { Database } from '../database/database.js';
import { Metrics } from '../telemetry/metrics.js';
import { EventLog } from './event-log.js';
import { SqlEventLog } from './sql/sql-event-log.js';

@Global()
@Module({
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
export class EventLogModule {}
