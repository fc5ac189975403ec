import type { ReceiptView, RunView as RunRecord } from '../agent/views.js';
import type { UserView } from '../auth/user.js';
import type { RunEvent, RunEventData, RunStatus } from '../event-log/run-event.js';
import type { MessageView, SessionView } from '../sessions/views.js';

export type { DecisionView as Decision } from '../agent/views.js';
export type { RunEventType, RunStatus, Usage } from '../event-log/run-event.js';
export type Receipt = ReceiptView;
export type Run = RunRecord;
export type Session = SessionView;
export type Message = MessageView;
export type User = UserView;
export type Done = RunEventData<'done'>;
export type RunFailure = RunEventData<'error'>;

/**
 * An event as the server sends it. `id` is its place, `<run_id>.<attempt>.<seq>`; null for the `reset` that answers a
 * cursor which the server cannot honour, since that one belongs to this viewer alone.
 */
export type StreamEvent = RunEvent & { readonly id: string | null };

/** A content block of a message: `text`, `image` or `document`. */
export interface ContentBlock {
  type: string;
  [field: string]: unknown;
}

export interface StartRequest {
  content: string | readonly ContentBlock[];
  /** A new session when not given. */
  session_id?: string;
  /** Who works: a name of `GET /api/agent/agents`. */
  agent?: string;
  /** What becomes of it while the session's run is not over; `queue` when not given. */
  when_busy?: 'queue' | 'reject' | 'interrupt' | 'steer';
}

/** Where a started run is; `follow` takes it as it is. */
export interface StartedRun {
  run_id: string;
  session_id: string;
  status: RunStatus;
}

/** What to follow: a run, or a session's latest run, or with `follow` all runs of a session from now on. */
export interface FollowTarget {
  session_id?: string;
  run_id?: string;
  /** Goes on after this event, which was seen before. */
  last_event_id?: string | undefined;
  /** Does not end with the run. */
  follow?: boolean;
}

export interface SessionFields {
  title?: string | null;
  agent?: string | null;
  model?: string | null;
  system?: string | null;
  metadata?: Record<string, unknown>;
}
