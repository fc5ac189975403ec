/** A content block as the provider or the user sent it; kept verbatim. */
export interface Block {
  type: string;
  [field: string]: unknown;
}

/** One entry of a conversation, as the model saw it. */
export interface Message {
  id: string;
  sessionId: string;
  /** The session's own id: the message was copied from another conversation, and no run of this one made it. */
  runId: string;
  role: 'user' | 'assistant';
  content: Block[];
  /** Why the model stopped; null for the user's, `not_accepted` for one that the provider has refused. `cancelled`, `run_timeout`: the answer was stopped and is a part. */
  stopReason: string | null;
  createdAt: number;
  /** Place in the conversation. */
  runNumber: number;
  position: number;
  /** Names what stood before this answer when it was made (model, system, tools, summary); null: not known. */
  prefixHash: string | null;
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
  prefixHash?: string | null;
  /** Of a message that was said before, in another conversation; now when not given. */
  createdAt?: number;
}

/** For the model, a summary takes the place of all messages up to this one. */
export interface Compaction {
  id: string;
  sessionId: string;
  runId: string;
  runNumber: number;
  position: number;
  summary: string;
}

/** What of a run's last message decides how it goes on; long texts may be missing. */
export type LastMessage = Pick<NewMessage, 'position' | 'role' | 'content' | 'hasParts' | 'stopReason'>;
