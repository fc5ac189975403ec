import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheck, HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { z } from 'zod';
import { Public } from '../auth/access.decorator.js';
import { AppError } from '../errors/app-error.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { Shutdown } from '../telemetry/shutdown.js';
import { HealthRepository } from './health.repository.js';

const liveView = z.object({ status: z.literal('ok') }).meta({ id: 'Live' });

const indicators = z.record(z.string(), z.looseObject({ status: z.enum(['up', 'down']) }));
const readyView = z
  .object({ status: z.literal('ok'), info: indicators, error: indicators, details: indicators })
  .meta({ id: 'Ready' });

/** For whoever starts, watches and balances over processes. */
@ApiTags('operation')
@Controller('health')
@Public()
export class HealthController {
  /** Milliseconds in which the database has to answer. */
  databaseTimeout = 2_000;

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly repository: HealthRepository,
    private readonly shutdown: Shutdown,
  ) {}

  @ApiOperation({ summary: 'The process runs; anything but 200 means: start it anew' })
  @ApiOkResponse({ standardSchema: liveView })
  @Get('live')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  live() {
    return { status: 'ok' };
  }

  /** 503 from the first moment of a shutdown, and while the database does not answer within 2 s. */
  @ApiOperation({ summary: 'It can take requests; 503 means: send them to another' })
  @ApiOkResponse({ standardSchema: readyView })
  @Refuses('draining', 'unavailable')
  @Get('ready')
  @HealthCheck({ noCache: true, swaggerDocumentation: false })
  ready() {
    if (this.shutdown.begun) throw new AppError('draining', 'The server is shutting down: ask another one.');
    return this.health.check([
      () =>
        this.indicators
          .check('database')
          .attempt(() => this.repository.ping())
          .withTimeout(this.databaseTimeout),
    ]);
  }
}
