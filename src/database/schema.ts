import type { Generated } from 'kysely';
import type {
  ApiKeysTable,
  AuditEventsTable,
  Fixed,
  IdentitiesTable,
  LimitCountersTable,
  LimitHoldersTable,
  LimitSlotsTable,
  LoginsTable,
  SessionSharesTable,
  TicketsTable,
  UsersTable,
} from './access-tables.js';
import type { McpToolsTable, WorkspaceChangesTable, WorkspaceReadsTable } from './tool-tables.js';

/**
 * The tables as both databases have them. Times are milliseconds since 1970 UTC by the database's clock;
 * `…_json` columns are JSON text; flags are 0 or 1.
 */
export interface Schema {
  users: UsersTable;
  identities: IdentitiesTable;
  logins: LoginsTable;
  tickets: TicketsTable;
  api_keys: ApiKeysTable;
  audit_events: AuditEventsTable;
  limit_counters: LimitCountersTable;
  limit_holders: LimitHoldersTable;
  limit_slots: LimitSlotsTable;
  sessions: SessionsTable;
  session_shares: SessionSharesTable;
  threads: ThreadsTable;
  runs: RunsTable;
  messages: MessagesTable;
  message_parts: MessagePartsTable;
  tool_calls: ToolCallsTable;
  idempotency_keys: IdempotencyKeysTable;
  run_pages: RunPagesTable;
  run_journal: RunJournalTable;
  run_inputs: RunInputsTable;
  model_calls: ModelCallsTable;
  budgets: BudgetsTable;
  compactions: CompactionsTable;
  run_frames: RunFramesTable;
  workspace_reads: WorkspaceReadsTable;
  workspace_changes: WorkspaceChangesTable;
  mcp_tools: McpToolsTable;
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
  /** Profile of its runs; null: the default. */
  agent: Generated<string | null>;
  /** The run that made this conversation for a sub-agent; null for a person's. */
  parent_run_id: Fixed<string | null | undefined>;
}

/** What clients of other protocols call a session of theirs. */
export interface ThreadsTable {
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  /** The protocol. */
  kind: Fixed<string>;
  client_id: Fixed<string>;
  session_id: string;
  created_at: Fixed<number>;
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
  agent: Generated<string | null>;
  /** The run and the tool call that started this one; null when a person did. */
  parent_run_id: Generated<string | null>;
  parent_call_id: Generated<string | null>;
  /** The run of a person at the top; null: this one. */
  root_run_id: Generated<string | null>;
  /** Of a run that waits: when it goes on without being told. */
  wake_at: Generated<number | null>;
  /** Since when it waits; null while it does not. */
  parked_at: Generated<number | null>;
  waited_ms: Generated<number>;
  /** What its model calls cost, in millionths of a USD, those of an unknown price left out. */
  cost_micro_usd: Generated<number>;
  /** 1 when the price of one of its calls is not known. */
  cost_unknown: Generated<number>;
  /** The API key that a person's program started it with. */
  key_id: Generated<string | null>;
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
  stop_reason: string | null;
  created_at: Fixed<number>;
  /** What stood before this answer when it was made, as a hash; null: not known. */
  prefix_hash: Fixed<string | null | undefined>;
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

/** The ledger: a row may be `waiting` for a decision, is `started` before a tool's effect and `finished` after it. */
export interface ToolCallsTable {
  run_id: Fixed<string>;
  tool_call_id: Fixed<string>;
  name: Fixed<string>;
  args_hash: string;
  idempotency_key: Fixed<string>;
  state: string;
  result_json: string | null;
  is_error: Generated<number>;
  duration_ms: number | null;
  started_at: number;
  finished_at: number | null;
  /** Until when a person may decide; null: nobody is asked. */
  expires_at: Generated<number | null>;
  /** `approve` or `deny`. */
  decision: Generated<string | null>;
  decision_reason: Generated<string | null>;
  decided_by: Generated<string | null>;
  decided_at: Generated<number | null>;
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

/** One commit of pages of any runs, which are not rows of `run_pages` yet; only where the engine is in the process. */
export interface RunJournalTable {
  id: Generated<number>;
  pages: Fixed<string>;
}

/** A message for a run that works; its row is gone when the message has joined the conversation. */
export interface RunInputsTable {
  /** The id it will have as a message. */
  message_id: Fixed<string>;
  run_id: Fixed<string>;
  content_json: Fixed<string>;
  created_at: Fixed<number>;
}

/**
 * Every call of a model, also one that failed: `reserved` while it may go on, then `spent`, or `refused` before it
 * began; `left` when it was never told how it ended. Outlives its session.
 */
export interface ModelCallsTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  session_id: Fixed<string>;
  run_id: Fixed<string>;
  root_run_id: Fixed<string>;
  attempt: Fixed<number>;
  /** `turn`, `compaction` or `title`. */
  kind: Fixed<string>;
  model: Fixed<string>;
  state: string;
  input_tokens: Generated<number>;
  output_tokens: Generated<number>;
  cache_read_input_tokens: Generated<number>;
  cache_creation_input_tokens: Generated<number>;
  estimated: Generated<number>;
  /** Null: the price is not known. */
  cost_micro_usd: number | null;
  reserved_tokens: Generated<number>;
  reserved_micro_usd: Generated<number>;
  /** The budgets that hold the reservation, `[[scope, period], …]`; null: none. */
  budgets_json: Generated<string | null>;
  request_id: string | null;
  message_id: string | null;
  started_at: Fixed<number>;
  ended_at: number | null;
}

/** What was spent of each budget. `scope` names a run, session, user or tenant; `period` a day (UTC), or is empty. */
export interface BudgetsTable {
  scope: Fixed<string>;
  period: Fixed<string>;
  micro_usd_spent: Generated<number>;
  micro_usd_reserved: Generated<number>;
  tokens_spent: Generated<number>;
  tokens_reserved: Generated<number>;
  model_calls: Generated<number>;
  tool_calls: Generated<number>;
  busy_ms: Generated<number>;
}

/** System prompt and tools of a run that has had an answer and goes on; its row is gone when it is over. */
export interface RunFramesTable {
  run_id: Fixed<string>;
  frame_json: Fixed<string>;
}

/** A summary that takes the place, for the model, of all messages up to this one. */
export interface CompactionsTable {
  id: Fixed<string>;
  session_id: Fixed<string>;
  run_id: Fixed<string>;
  run_number: Fixed<number>;
  position: Fixed<number>;
  summary: Fixed<string>;
  created_at: Fixed<number>;
}
