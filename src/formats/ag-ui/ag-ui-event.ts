/** A message of a conversation as AG-UI 1.0 knows it; what a client sent of itself has more kinds and fields. */
export type AgUiMessage =
  | { id: string; role: 'assistant'; content?: string; toolCalls?: AgUiToolCall[] }
  | { id: string; role: 'reasoning'; content: string }
  | ({ id: string; role: 'tool' } & AgUiToolResult)
  | { id: string; role: string; content?: unknown };

export interface AgUiToolCall {
  id: string;
  type: 'function';
  /** `arguments` is JSON text. */
  function: { name: string; arguments: string };
}

export interface AgUiToolResult {
  toolCallId: string;
  content: string;
  metadata: ToolResultMetadata;
}

/** AG-UI has no flag for a call that failed. */
export interface ToolResultMetadata {
  is_error: boolean;
  duration_ms?: number;
}

/** Tokens of one model; cached ones and those written to the cache are parts of `inputTokens`. */
export interface AgUiUsage {
  model?: string;
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  cachedInputTokens: number;
  cacheWriteInputTokens: number;
}

/** A tool call that waits for a decision. */
export interface AgUiInterrupt {
  id: string;
  reason: 'tool_call';
  message: string;
  toolCallId: string;
  /** JSON Schema of the `payload` that answers it. */
  responseSchema: Record<string, unknown>;
  /** RFC 3339. */
  expiresAt: string;
  metadata: { tool: string; args: unknown };
}

export type AgUiOutcome =
  { type: 'success' } | { type: 'cancelled' } | { type: 'interrupt'; interrupts: AgUiInterrupt[] };

/** The events of AG-UI 1.0 that we send. */
export type AgUiEvent =
  | {
      type: 'RUN_STARTED';
      threadId: string;
      runId: string;
      protocolVersion: '1.0';
      metadata: { run_id: string; session_id: string };
    }
  | {
      type: 'RUN_FINISHED';
      threadId: string;
      runId: string;
      outcome: AgUiOutcome;
      usage?: AgUiUsage[];
      metadata?: Record<string, unknown>;
    }
  | {
      type: 'RUN_ERROR';
      message: string;
      code: string;
      usage?: AgUiUsage[];
      metadata?: { retryable: boolean };
    }
  | { type: 'TEXT_MESSAGE_START'; messageId: string; role: 'assistant' }
  | { type: 'TEXT_MESSAGE_CONTENT'; messageId: string; delta: string }
  | { type: 'TEXT_MESSAGE_END'; messageId: string }
  | { type: 'REASONING_START'; messageId: string }
  | { type: 'REASONING_MESSAGE_START'; messageId: string; role: 'reasoning' }
  | { type: 'REASONING_MESSAGE_CONTENT'; messageId: string; delta: string }
  | { type: 'REASONING_MESSAGE_END'; messageId: string }
  | { type: 'REASONING_END'; messageId: string }
  | { type: 'TOOL_CALL_START'; toolCallId: string; toolCallName: string; parentMessageId: string }
  | { type: 'TOOL_CALL_ARGS'; toolCallId: string; delta: string }
  | { type: 'TOOL_CALL_END'; toolCallId: string }
  | ({ type: 'TOOL_CALL_RESULT'; messageId: string; role: 'tool' } & AgUiToolResult)
  | { type: 'STATE_SNAPSHOT'; snapshot: unknown }
  | { type: 'MESSAGES_SNAPSHOT'; messages: AgUiMessage[] };
