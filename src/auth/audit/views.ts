import { z } from 'zod';
import type { AuditRow } from '../../audit/audit-row.js';

const word = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);

export const auditEventView = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    tenant_id: z.string().nullable().describe('null: nobody known'),
    actor_id: z.string().nullable(),
    actor_via: z.string().nullable().describe('cookie, bearer, ticket or key'),
    key_id: z.string().nullable(),
    action: z.string().describe('A dotted name, or method and path of the route'),
    target: z.string().nullable().describe('Id of what it was done to'),
    outcome: z.enum(['allowed', 'refused', 'failed']),
    code: z.string().nullable().describe('Of the error'),
    remote_address: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    details: z.record(z.string(), word),
    count: z.int().describe('How many equal calls it stands for'),
  })
  .meta({ id: 'AuditEvent' });
export type AuditEventView = z.output<typeof auditEventView>;

export const auditPage = z
  .object({ data: z.array(auditEventView), next_cursor: z.string().nullable() })
  .meta({ id: 'AuditPage' });
export type AuditPageView = z.output<typeof auditPage>;

export function viewAuditEvent(row: AuditRow): AuditEventView {
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    tenant_id: row.tenantId,
    actor_id: row.actorId,
    actor_via: row.actorVia,
    key_id: row.keyId,
    action: row.action,
    target: row.target,
    outcome: row.outcome,
    code: row.code,
    remote_address: row.remoteAddress,
    user_agent: row.userAgent,
    request_id: row.requestId,
    details: { ...row.details } as AuditEventView['details'],
    count: row.count,
  };
}
