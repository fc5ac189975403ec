import { Global, type INestApplication, Module, type OnModuleDestroy } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { Logger, LoggerModule } from 'nestjs-pino';
import type { Logger as PinoLogger } from 'pino';
import type { HttpLogger } from 'pino-http';
import { Metrics } from './metrics.js';
import { requestLog } from './request-log.js';
import { rootLogger } from './root-logger.js';
import { Shutdown } from './shutdown.js';
import { telemetryConfig } from './telemetry.config.js';

/** The pino logger under all others; tests put theirs in its place. */
export const ROOT_LOGGER = Symbol('ROOT_LOGGER');
const REQUEST_LOG = Symbol('REQUEST_LOG');

/**
 * Logs, measures, and whether the process is shutting down; for everybody, without an import.
 * The request log comes before the body parsers, so that refused bodies have an id and a line too; the module
 * of nestjs-pino then only binds each request's logger to what is logged while it is served.
 */
@Global()
@Module({
  imports: [
    ConfigModule.forFeature(telemetryConfig),
    LoggerModule.forRootAsync({
      inject: [ROOT_LOGGER],
      useFactory: (logger: PinoLogger) => ({
        useExisting: true,
        pinoHttp: { logger, wrapSerializers: false },
      }),
    }),
  ],
  providers: [
    { provide: ROOT_LOGGER, inject: [telemetryConfig.KEY], useFactory: rootLogger },
    { provide: REQUEST_LOG, inject: [ROOT_LOGGER], useFactory: requestLog },
    Metrics,
    Shutdown,
  ],
  exports: [ROOT_LOGGER, REQUEST_LOG, Metrics, Shutdown],
})
export class TelemetryModule implements OnModuleDestroy {
  constructor(private readonly shutdown: Shutdown) {}

  /** For app.setup, before anything else handles requests. */
  static attach(app: INestApplication): void {
    app.useLogger(app.get(Logger));
    app.use(app.get<HttpLogger>(REQUEST_LOG));
  }

  /** The first of Nest's shutdown hooks. */
  onModuleDestroy(): void {
    this.shutdown.begin();
  }
}
