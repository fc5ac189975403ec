import type { RunEvent, RunStatus, Usage } from '../event-log/run-event.js';
import type { ToolContext } from '../tools/tool.js';

/** The work started by one user message. Times are milliseconds since 1970 by the database's clock. */
export interface Run {
  id: string;
  tenantId: string;
  userId: string;
  sessionId: string;
  /** 1, 2, … within the session. */
  number: number;
  status: RunStatus;
  /** 1, 2, …; another one each time a process takes the run over. */
  attempt: number;
  leaseUntil: number | null;
  cancelRequestedAt: number | null;
  /** `seq` of the last event that belongs to a stored message. */
  checkpointSeq: number;
  model: string;
  /** Who started it, for its tools. */
  principal: ToolContext['principal'];
  onDisconnect: 'continue' | 'cancel';
  /** Turns done, over all attempts. */
  turns: number;
  usage: Usage;
  stopReason: string | null;
  errorCode: string | null;
  /** Set when it is over. */
  lastEventId: string | null;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  /** Messages that were sent to it while it worked. */
  inputs: number;
}

export type RunOutcome = 'completed' | 'failed' | 'cancelled';

/** How a run ended, as stored with its last event. */
export interface RunEnd {
  status: RunOutcome;
  stopReason: string | null;
  errorCode: string | null;
  usage: Usage;
  lastEventId: string;
}

const OPEN = new Set<RunStatus>(['queued', 'running', 'waiting']);

export function isOpen(status: RunStatus): boolean {
  return OPEN.has(status);
}

/** What a run says of itself: first of all, and whenever its status or its owner changes. */
export function introduction({ id, sessionId, status, attempt, model }: Run): RunEvent {
  return { type: 'run', data: { run_id: id, session_id: sessionId, status, attempt, model } };
}
