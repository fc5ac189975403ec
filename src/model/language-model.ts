/** A content block as the provider sent it; kept verbatim, because some are signed. */
export interface ContentBlock {
  type: string;
  [field: string]: unknown;
}

export interface ModelMessage {
  role: 'user' | 'assistant';
  content: ContentBlock[];
}

/** A tool as the model is told of it. `input_schema` is JSON Schema of the arguments object. */
export interface ToolSpec {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}

export interface ModelRequest {
  model: string;
  system: string | null;
  messages: ModelMessage[];
  tools: ToolSpec[];
  /** Upper bound of the answer in tokens. */
  maxTokens: number;
}

/** Tokens of one model call. `input_tokens` leaves out what was read from or written to the cache. */
export interface ModelUsage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
}

export type ModelEvent =
  /** The call was accepted; `usage` is what is known so far, `model` what really answers. */
  | { type: 'start'; model: string; usage: ModelUsage }
  /** Text of the answer. Block numbers grow and are those of the content. */
  | { type: 'text'; block: number; text: string }
  /** Reasoning text for people; its block comes whole later. */
  | { type: 'thinking'; text: string }
  /**
   * A whole block. For a text block `content.text` is `''`: its text went out as `text` events, and is
   * not held twice. A `tool_use` block's input is complete, or `{ INVALID_JSON: raw }`.
   */
  | { type: 'block'; block: number; content: ContentBlock }
  /** The model is done. Without it a stream is not a success. `unfinished`: the last tool call was cut off. */
  | { type: 'stop'; stopReason: string; usage: ModelUsage; unfinished: boolean };

export interface ModelErrorOptions {
  cause?: unknown;
  /** Whether the same call may succeed later. */
  retryable: boolean;
  /** What the provider asked to wait, in milliseconds. */
  retryAfterMs?: number;
}

/**
 * A call of the model failed. `code` names the reason for programs: the provider's error type
 * (`overloaded_error`), or `model_stream_truncated`, `model_idle`, `model_protocol`, `model_unreachable`.
 * The message may be shown to the user.
 */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: string,
    message: string,
    options: ModelErrorOptions,
  ) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * Who thinks: one call of a model, streamed.
 *
 * An adapter makes exactly one attempt: no retry of its own, so that each attempt is seen, counted and bound
 * to the run's deadline. It reads no faster than its events are taken, watches for silence of the connection
 * by bytes, and throws `ModelError` for everything but a whole answer.
 * Adapters run `language-model.contract.ts`.
 */
export abstract class LanguageModel {
  /** Id of the model that answers when a session names none. */
  abstract readonly defaultModel: string;

  /** Id of the model that answers where a session asks for one, or for none. */
  resolve(asked: string | null): string {
    return asked ?? this.defaultModel;
  }

  /** For people: who answers, and where. */
  abstract describe(): string;

  /**
   * Streams one answer. When `signal` is aborted the connection is closed before the iterator ends or throws,
   * and leaving the loop early closes it as well.
   */
  abstract stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
