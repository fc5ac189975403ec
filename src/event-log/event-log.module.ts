import { type DynamicModule, Global, Logger, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { Database } from '../database/database.js';
import { Metrics } from '../telemetry/metrics.js';
import { EventLogLifecycle } from './event-log-lifecycle.service.js';
import { eventLogConfig, type EventLogConfig } from './event-log.config.js';
import { EventLog } from './event-log.js';

const logger = new Logger('EventLog');

interface Ground {
  config: EventLogConfig;
  database: Database;
  options: { onCommit: (seconds: number) => void; holdMs: number; retentionMs: number };
}

/** Opens a log of the application's own; nothing of the server's settings for stores counts then. */
export type OpenEventLog = (options: Ground['options']) => EventLog | Promise<EventLog>;

const OWN_LOG = Symbol('event log of the application');

function warnOfSweep(error: unknown): void {
  logger.warn(`Old events could not be deleted yet: ${String(error)}`);
}

/** One row a store: its driver is imported only when it is chosen. */
const STORES = {
  database: async ({ database, options }: Ground) => {
    const { SqlEventLog } = await import('./sql/sql-event-log.js');
    return new SqlEventLog(database, { ...options, onSweepError: warnOfSweep });
  },
  redis: async ({ config: { REDIS_URL = '' }, options }: Ground) => {
    const { RedisEventLog } = await import('./redis/redis-event-log.js');
    return new RedisEventLog({ ...options, url: REDIS_URL, warn: (text) => logger.warn(text) });
  },
};

function optionsOf(config: EventLogConfig, metrics: Metrics): Ground['options'] {
  return {
    onCommit: (seconds) => metrics.logAppendSeconds.observe(seconds),
    holdMs: config.LEASE_MS,
    retentionMs: config.LOG_RETENTION_MS,
  };
}

@Global()
@Module({
  imports: [ConfigModule.forFeature(eventLogConfig)],
  providers: [
    {
      provide: EventLog,
      inject: [eventLogConfig.KEY, Database, Metrics, { token: OWN_LOG, optional: true }],
      useFactory: (config: EventLogConfig, database: Database, metrics: Metrics, own?: OpenEventLog) =>
        own?.(optionsOf(config, metrics)) ??
        STORES[config.REDIS_URL === undefined ? 'database' : 'redis']({
          config,
          database,
          options: optionsOf(config, metrics),
        }),
    },
    EventLogLifecycle,
  ],
  exports: [EventLog],
})
export class EventLogModule {
  /** For an application with a log of its own: to be imported once, beside `AppModule`. */
  static register(open: OpenEventLog): DynamicModule {
    const providers = [{ provide: OWN_LOG, useValue: open }];
    return { module: OwnEventLogModule, global: true, providers, exports: [OWN_LOG] };
  }
}

/** Not `EventLogModule` itself: with metadata of its own Nest would make that a second time. */
class OwnEventLogModule {}
