/** A content block as the provider or the user sent it; kept verbatim. */
export interface Block {
  type: string;
  [field: string]: unknown;
}

/** One entry of a conversation, as the model saw it. */
export interface Message {
  id: string;
  sessionId: string;
  runId: string;
  role: 'user' | 'assistant';
  content: Block[];
  /** Why the model stopped; null for the user's. `cancelled`, `run_timeout`: the answer was stopped and is a part. */
  stopReason: string | null;
  createdAt: number;
}

/** A message to store. `position` counts within its run. */
export interface NewMessage {
  id: string;
  sessionId: string;
  runId: string;
  runNumber: number;
  position: number;
  role: 'user' | 'assistant';
  content: Block[];
  /** Whether parts of its texts are stored already, with `savePart`. */
  hasParts: boolean;
  stopReason: string | null;
}

/** What of a run's last message decides how it goes on; long texts may be missing. */
export type LastMessage = Pick<NewMessage, 'position' | 'role' | 'content' | 'stopReason'>;
