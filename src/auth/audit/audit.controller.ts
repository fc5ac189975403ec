import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Controller, Get, Header, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { AuditReader } from '../../audit/audit-reader.service.js';
import type { AuditRow } from '../../audit/audit-row.js';
import type { AuditFilter } from '../../audit/audit.repository.js';
import { Audited } from '../../audit/audited.decorator.js';
import { CurrentPrincipal, Requires } from '../access.decorator.js';
import { administeredTenant } from '../permissions.js';
import type { Principal } from '../principal.js';
import { DEFAULT_TENANT } from '../user.js';
import { cursorOf, type ExportAudit, exportAudit, type ListAudit, listAudit } from './requests.js';
import { auditPage, type AuditPageView, viewAuditEvent } from './views.js';

/** Who did what in the tenant; administrators of `default` may name another, and see what belongs to none. */
@ApiTags('administration')
@Controller('api/admin/audit')
@Requires('admin')
export class AuditController {
  constructor(private readonly reader: AuditReader) {}

  @ApiOperation({ summary: 'Who did what, newest first; a page may hold fewer than `limit`, even none' })
  @ApiOkResponse({ standardSchema: auditPage })
  @Audited('audit.read')
  @Get()
  @Header('Cache-Control', 'no-store')
  async list(
    @CurrentPrincipal() admin: Principal,
    @Query({ schema: listAudit }) query: ListAudit,
  ): Promise<AuditPageView> {
    const { limit, cursor, action, outcome, actor_id: actorId, target } = query;
    const question = { ...filterFor(admin, query), action, outcome, actorId, target };
    const { rows, next } = await this.reader.page(question, cursor, limit);
    return { data: rows.map(viewAuditEvent), next_cursor: next === undefined ? null : cursorOf(next) };
  }

  @ApiOperation({ summary: 'All of it as JSON lines, the oldest first' })
  @ApiOkResponse({ content: { 'application/x-ndjson': { schema: { type: 'string' } } } })
  @Audited('audit.export')
  @Get('export')
  async export(
    @CurrentPrincipal() admin: Principal,
    @Query({ schema: exportAudit }) query: ExportAudit,
    @Res() response: Response,
  ): Promise<void> {
    const pages = this.reader.all(filterFor(admin, query));
    // What cannot be read at all is refused; what breaks off later breaks the connection.
    const first = await pages.next();
    response.writeHead(200, {
      'Content-Type': 'application/x-ndjson; charset=utf-8',
      'Cache-Control': 'no-store',
      'Content-Disposition': 'attachment; filename="audit.ndjson"',
      'X-Accel-Buffering': 'no',
    });
    try {
      await pipeline(Readable.from(linesOf(first, pages), { highWaterMark: 1 }), response);
    } catch (error) {
      if (!response.writableFinished && !response.destroyed) response.destroy();
      if (!isGone(error)) throw error;
    }
  }
}

function filterFor(admin: Principal, { from, to, tenant_id: named }: ExportAudit): AuditFilter {
  const tenantId = administeredTenant(admin, named);
  return { tenantId, withUnknown: tenantId === DEFAULT_TENANT, from, to };
}

/** One text a page, made when the page before is taken. */
async function* linesOf(
  first: IteratorResult<AuditRow[]>,
  rest: AsyncIterable<AuditRow[]>,
): AsyncGenerator<string> {
  if (first.done === true) return;
  yield toLines(first.value);
  for await (const rows of rest) yield toLines(rows);
}

function toLines(rows: readonly AuditRow[]): string {
  return rows.map((row) => `${JSON.stringify(viewAuditEvent(row))}\n`).join('');
}

/** The client has left. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
