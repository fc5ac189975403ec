import { Inject, Injectable } from '@nestjs/common';
import { type InsertObject, type Kysely, type RawBuilder, type Selectable, sql } from 'kysely';
import type { AuditEventsTable } from '../database/access-tables.js';
import { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import type { Details, Outcome } from './audit-entry.js';
import type { AuditRow, NewAuditRow } from './audit-row.js';
import { auditConfig, type AuditConfig } from './audit.config.js';

const DAY_MS = 86_400_000;
const COMPARE_EVERY_MS = 600_000;
const SAME_TIME_MS = 1_000;
/** Rows that one statement deletes, so that nobody waits long behind it. */
const DELETED_AT_ONCE = 1_000;

/** What is asked of one tenant's rows; all of it has an index. */
export interface AuditFilter {
  tenantId: string;
  /** Also rows of nobody's tenant, like sign-ins of accounts that do not exist. */
  withUnknown: boolean;
  /** Milliseconds since 1970; `from` inclusive, `to` exclusive. */
  from?: number | undefined;
  to?: number | undefined;
  actorId?: string | undefined;
  target?: string | undefined;
}

/** Where reading goes on. */
export interface AuditPlace {
  at: number;
  id: string;
}

export type AuditOrder = 'newest-first' | 'oldest-first';

/** The only SQL about `audit_events`: rows are added, read, and deleted when their time is over. */
@Injectable()
export class AuditRepository {
  private readonly keepMs: number | undefined;
  /** Milliseconds that the database's clock is ahead of this process's, and when that was looked at. */
  private clockOffset = 0;
  private comparedAt = -Infinity;

  constructor(
    private readonly database: Database,
    @Inject(auditConfig.KEY) { AUDIT_RETENTION_DAYS: days }: AuditConfig,
  ) {
    this.keepMs = days === undefined ? undefined : days * DAY_MS;
  }

  /** Adds rows; those that are there already stay as they are, so it may be said again. */
  async insert(rows: readonly NewAuditRow[]): Promise<void> {
    await this.compareClocks();
    await this.database
      .acrossTenants()
      .insertInto('audit_events')
      .values(rows.map((row) => this.columnsOf(row)))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }

  /** Rows after a place in that order, at most `size`. */
  async page(
    filter: AuditFilter,
    order: AuditOrder,
    after: AuditPlace | undefined,
    size: number,
  ): Promise<AuditRow[]> {
    const own = this.select(this.database.of(filter), filter, order, after, size);
    const unknown = filter.withUnknown
      ? this.select(this.database.acrossTenants(), filter, order, after, size).where('tenant_id', 'is', null)
      : undefined;
    const rows = [...(await own.execute()), ...((await unknown?.execute()) ?? [])].map(toRow);
    const sign = order === 'newest-first' ? -1 : 1;
    if (unknown !== undefined) rows.sort((a, b) => sign * compare(a, b));
    return rows.slice(0, size);
  }

  /** @returns how many rows were deleted; there may be more when it is as many as one statement takes. */
  async deleteExpired(): Promise<number> {
    const { now } = this.database;
    const { numDeletedRows } = await this.database
      .acrossTenants()
      .deleteFrom('audit_events')
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('audit_events')
          .select('id')
          .where('expires_at', '<=', now)
          .orderBy('expires_at')
          .limit(DELETED_AT_ONCE),
      )
      .executeTakeFirst();
    return Number(numDeletedRows);
  }

  /**
   * Rows of all processes are told by one clock. A difference that one question and its answer could make is none:
   * what happens in one process stays in its order.
   */
  private async compareClocks(): Promise<void> {
    if (performance.now() - this.comparedAt < COMPARE_EVERY_MS) return;
    const asked = Date.now();
    const { now } = await this.database
      .acrossTenants()
      .selectNoFrom([this.database.now.as('now')])
      .executeTakeFirstOrThrow();
    const offset = now - Math.round((asked + Date.now()) / 2);
    if (Math.abs(offset - this.clockOffset) > SAME_TIME_MS) this.clockOffset = offset;
    this.comparedAt = performance.now();
  }

  private select(
    kysely: Kysely<Schema>,
    filter: AuditFilter,
    order: AuditOrder,
    after: AuditPlace | undefined,
    size: number,
  ) {
    const { from, to, actorId, target } = filter;
    const [beyond, direction] = order === 'newest-first' ? (['<', 'desc'] as const) : (['>', 'asc'] as const);
    let query = kysely.selectFrom('audit_events').selectAll();
    if (from !== undefined) query = query.where('at', '>=', from);
    if (to !== undefined) query = query.where('at', '<', to);
    if (actorId !== undefined) query = query.where('actor_id', '=', actorId);
    if (target !== undefined) query = query.where('target', '=', target);
    if (after !== undefined) {
      query = query
        .where('at', `${beyond}=`, after.at)
        .where((eb) => eb.or([eb('at', beyond, after.at), eb('id', beyond, after.id)]));
    }
    return query.orderBy('at', direction).orderBy('id', direction).limit(size);
  }

  private columnsOf(row: NewAuditRow): InsertObject<Schema, 'audit_events'> {
    const { account } = row;
    const at = row.happened + this.clockOffset;
    return {
      id: row.id,
      at,
      tenant_id: account === null ? row.tenantId : this.ofAccount('tenant_id', account),
      actor_id: row.actorId,
      actor_via: row.actorVia,
      key_id: row.keyId,
      action: row.action,
      target: account === null ? row.target : this.ofAccount('id', account),
      outcome: row.outcome,
      code: row.code,
      remote_address: row.remoteAddress,
      user_agent: row.userAgent,
      request_id: row.requestId,
      details_json: row.details === null ? null : JSON.stringify(row.details),
      count: row.count,
      expires_at: this.keepMs === undefined ? null : at + this.keepMs,
    };
  }

  /** Null where nobody has the address. */
  private ofAccount(column: 'id' | 'tenant_id', email: string): RawBuilder<string | null> {
    const account = this.database
      .acrossTenants()
      .selectFrom('users')
      .select(column)
      .where('email', '=', email);
    return sql<string | null>`(${account})`;
  }
}

function compare(a: AuditRow, b: AuditRow): number {
  if (a.at !== b.at) return a.at - b.at;
  return a.id < b.id ? -1 : 1;
}

function toRow(row: Selectable<AuditEventsTable>): AuditRow {
  return {
    id: row.id,
    at: row.at,
    tenantId: row.tenant_id,
    actorId: row.actor_id,
    actorVia: row.actor_via,
    keyId: row.key_id,
    action: row.action,
    target: row.target,
    outcome: row.outcome as Outcome,
    code: row.code,
    remoteAddress: row.remote_address,
    userAgent: row.user_agent,
    requestId: row.request_id,
    details: row.details_json === null ? null : (JSON.parse(row.details_json) as Details),
    count: row.count,
  };
}
