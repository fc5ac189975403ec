import type { Owner } from '../auth/principal.js';
import type { RunEvent, RunStatus, Usage } from '../event-log/run-event.js';
import type { ToolContext } from '../tools/tool.js';
import type { Cost } from '../usage/cost.js';

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
  /** Name of its profile; null: the default. */
  agent: string | null;
  /** The run and the tool call that started it; null when a person did. */
  parent: { runId: string; callId: string } | null;
  /** The run of a person at the top of it; its own id when a person started it. */
  rootRunId: string;
  /** Milliseconds that it has waited for decisions. */
  waitedMs: number;
  cost: Cost;
}

/** A run that is about to be stored. */
export interface NewRun {
  id: string;
  owner: Owner;
  sessionId: string;
  model: string;
  principal: Run['principal'];
  onDisconnect: Run['onDisconnect'];
  usage: Usage;
  agent?: string | null;
  /** The API key that was used, where one was. */
  keyId?: string | undefined;
  parent?: Run['parent'];
  rootRunId?: string;
  /** The process that makes it, and for how long it alone may begin it. */
  holder: string;
  leaseMs: number;
}

export type RunOutcome = 'completed' | 'failed' | 'cancelled';

/** How a run ended, as stored with its last event. */
export interface RunEnd {
  status: RunOutcome;
  stopReason: string | null;
  errorCode: string | null;
  usage: Usage;
  cost: Cost;
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
