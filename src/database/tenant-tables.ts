import type { Schema } from './schema.js';

/** How it is known to which tenant a row belongs: by its own column, or by the row that it hangs on. */
export type Belonging = { column: 'tenant_id' } | { column: string; parent: keyof Schema };

const OWN = { column: 'tenant_id' } as const;
const OF_SESSION = { column: 'session_id', parent: 'sessions' } as const;
const OF_RUN = { column: 'run_id', parent: 'runs' } as const;

/**
 * Every table: to whom its rows belong. A table that is not here does not compile; one that belongs to nobody is
 * known by a secret, by a name of the server's own, holds sums, or what all runs have just said.
 */
export const TENANT_TABLES = {
  users: OWN,
  identities: { column: 'user_id', parent: 'users' },
  logins: null,
  tickets: null,
  api_keys: OWN,
  audit_events: OWN,
  sessions: OWN,
  session_shares: OWN,
  threads: OWN,
  runs: OWN,
  messages: OF_SESSION,
  message_parts: { column: 'message_id', parent: 'messages' },
  tool_calls: OF_RUN,
  idempotency_keys: OWN,
  run_pages: OF_RUN,
  run_journal: null,
  run_inputs: OF_RUN,
  model_calls: OWN,
  budgets: null,
  compactions: OF_SESSION,
  run_frames: OF_RUN,
  workspace_reads: OF_SESSION,
  workspace_changes: OF_RUN,
  mcp_tools: null,
  limit_counters: null,
  limit_holders: null,
  limit_slots: null,
} as const satisfies Record<keyof Schema, Belonging | null>;

type SharedTable = {
  [Table in keyof Schema]: (typeof TENANT_TABLES)[Table] extends null ? Table : never;
}[keyof Schema];

/** The tables that belong to no tenant. */
export type SharedSchema = Pick<Schema, SharedTable>;

/** @returns null for a table that belongs to nobody, undefined for one that is not known. */
export function belongingOf(table: string): Belonging | null | undefined {
  return (TENANT_TABLES as Record<string, Belonging | null>)[table];
}
