import type { Details, Outcome } from './audit-entry.js';

/** An entry on its way into the table. */
export interface NewAuditRow {
  id: string;
  /** Milliseconds since 1970 by the clock of this process. */
  happened: number;
  tenantId: string | null;
  actorId: string | null;
  actorVia: string | null;
  keyId: string | null;
  action: string;
  target: string | null;
  outcome: Outcome;
  code: string | null;
  remoteAddress: string | null;
  userAgent: string | null;
  requestId: string | null;
  details: Details | null;
  count: number;
  /** E-mail address of an account to which the row belongs, if there is one. */
  account: string | null;
}

/** A row of the table. */
export interface AuditRow extends Omit<NewAuditRow, 'happened' | 'account'> {
  /** Milliseconds since 1970 by the database's clock. */
  at: number;
}
