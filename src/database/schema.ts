import type { ColumnType, Generated } from 'kysely';

/**
 * The tables as both databases have them. Times are milliseconds since 1970 UTC by the database's clock;
 * `…_json` columns are JSON text; flags are 0 or 1.
 */
export interface Schema {
  users: UsersTable;
  logins: LoginsTable;
  tickets: TicketsTable;
  sessions: SessionsTable;
  runs: RunsTable;
  messages: MessagesTable;
  message_parts: MessagePartsTable;
  tool_calls: ToolCallsTable;
  idempotency_keys: IdempotencyKeysTable;
  run_pages: RunPagesTable;
  run_inputs: RunInputsTable;
}

/** Set when the row is made, never changed. */
type Fixed<T> = ColumnType<T, T, never>;

export interface UsersTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  /** Lower case, unique over all tenants. */
  email: string;
  password_hash: string;
  roles_json: string;
  disabled_at: number | null;
  created_at: Fixed<number>;
}

/** Login sessions of express-session; the id is stored as its SHA-256 only. */
export interface LoginsTable {
  id_hash: Fixed<string>;
  user_id: string | null;
  data_json: string;
  created_at: Fixed<number>;
  expires_at: number;
}

export interface TicketsTable {
  ticket_hash: Fixed<string>;
  session_id: Fixed<string>;
  principal_json: Fixed<string>;
  expires_at: Fixed<number>;
}

export interface SessionsTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  title: string | null;
  model: string | null;
  system: string | null;
  metadata_json: string;
  created_at: Fixed<number>;
  updated_at: number;
}

export interface RunsTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  session_id: Fixed<string>;
  /** 1, 2, … within the session: the order in which its runs are worked off. */
  number: Fixed<number>;
  status: string;
  attempt: number;
  /** The process that holds, or held last, the lease. */
  owner: string | null;
  lease_until: number | null;
  cancel_requested_at: number | null;
  /** `seq` of the last event that belongs to a stored message. */
  checkpoint_seq: Generated<number>;
  model: Fixed<string>;
  principal_json: Fixed<string>;
  on_disconnect: Fixed<string>;
  turns: Generated<number>;
  usage_json: string;
  stop_reason: string | null;
  error_code: string | null;
  last_event_id: string | null;
  created_at: Fixed<number>;
  started_at: number | null;
  ended_at: number | null;
  /** The attempt whose owner takes in messages (`steer`); null when the run takes none. */
  steerable_attempt: Generated<number | null>;
  /** When a run that ends without viewers has been left; null: it does not end for that. */
  watched_until: Generated<number | null>;
  /** Messages that were sent to the run while it worked. */
  inputs: Generated<number>;
}

/** Append-only. Ordered by the run's number, then by position. */
export interface MessagesTable {
  id: Fixed<string>;
  session_id: Fixed<string>;
  run_id: Fixed<string>;
  run_number: Fixed<number>;
  position: Fixed<number>;
  role: Fixed<string>;
  content_json: Fixed<string>;
  /** 1 when message_parts holds the beginning of its long texts. */
  has_parts: Fixed<number>;
  stop_reason: Fixed<string | null>;
  created_at: Fixed<number>;
}

/** The beginning of a long text, written while it streams; it counts once its message exists. */
export interface MessagePartsTable {
  message_id: Fixed<string>;
  /** 0, 1, … over the message's text blocks. */
  block: Fixed<number>;
  position: Fixed<number>;
  /** A JSON string: PostgreSQL's text holds no NUL, and a piece may end inside a surrogate pair. */
  text: Fixed<string>;
}

/** The ledger: a row is `started` before a tool's effect and `finished` after it. */
export interface ToolCallsTable {
  run_id: Fixed<string>;
  tool_call_id: Fixed<string>;
  name: Fixed<string>;
  args_hash: Fixed<string>;
  idempotency_key: Fixed<string>;
  state: string;
  result_json: string | null;
  is_error: Generated<number>;
  duration_ms: number | null;
  started_at: Fixed<number>;
  finished_at: number | null;
}

export interface IdempotencyKeysTable {
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  key: Fixed<string>;
  fingerprint: Fixed<string>;
  run_id: Fixed<string>;
  created_at: Fixed<number>;
}

/** The event log: one row for each append of a run, `events` as event-log/sql/page-text.ts writes them. */
export interface RunPagesTable {
  run_id: Fixed<string>;
  first_seq: Fixed<number>;
  last_seq: Fixed<number>;
  attempt: Fixed<number>;
  /** Length of `events` in UTF-16 units. */
  size: Fixed<number>;
  events: Fixed<string>;
}

/** A message for a run that works; its row is gone when the message has joined the conversation. */
export interface RunInputsTable {
  /** The id it will have as a message. */
  message_id: Fixed<string>;
  run_id: Fixed<string>;
  content_json: Fixed<string>;
  created_at: Fixed<number>;
}
