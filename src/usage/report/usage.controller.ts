import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal } from '../../auth/access.decorator.js';
import type { Principal } from '../../auth/principal.js';
import { usageQuery, type UsageQuery } from './requests.js';
import { UsageReportRepository } from './usage-report.repository.js';
import { type UsageReport, usageReport, viewUsage } from './views.js';

@ApiTags('usage')
@Controller('api/agent/usage')
export class UsageController {
  constructor(private readonly reports: UsageReportRepository) {}

  @ApiOperation({
    summary: 'What model calls have used and cost: one’s own, or for administrators the tenant’s',
  })
  @ApiOkResponse({ standardSchema: usageReport })
  @Get()
  async report(
    @CurrentPrincipal() principal: Principal,
    @Query({ schema: usageQuery }) query: UsageQuery,
  ): Promise<UsageReport> {
    return viewUsage(await this.reports.read(principal, query), query);
  }
}
