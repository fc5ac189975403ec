import { Global, Module } from '@nestjs/common';
import { Database } from '../database/database.js';
import { EventLog } from './event-log.js';
import { SqlEventLog } from './sql/sql-event-log.js';

@Global()
@Module({
  providers: [
    {
      provide: EventLog,
      inject: [Database],
      useFactory: (database: Database): EventLog => new SqlEventLog(database),
    },
  ],
  exports: [EventLog],
})
export class EventLogModule {}
