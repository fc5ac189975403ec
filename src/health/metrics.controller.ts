import { Controller, Get, Header, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../auth/access.decorator.js';
import { Refuses } from '../errors/refuses.decorator.js';
import { Metrics } from '../telemetry/metrics.js';
import { MetricsGuard } from './metrics.guard.js';

@ApiTags('operation')
@Controller('metrics')
@Public()
@ApiBearerAuth('bearer')
@ApiCookieAuth('cookie')
@Refuses('unauthenticated', 'forbidden', 'unavailable')
@UseGuards(MetricsGuard)
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @ApiOperation({ summary: 'What is counted; for an administrator or the bearer of METRICS_TOKEN' })
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } } })
  @Get()
  @Header('Cache-Control', 'no-store')
  async read(@Res({ passthrough: true }) response: Response): Promise<string> {
    response.set('Content-Type', this.metrics.contentType);
    return this.metrics.text();
  }
}
