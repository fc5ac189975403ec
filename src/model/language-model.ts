import type { ModelNotice, ModelObserver } from './model-notice.js';
import type { ModelUsage } from './model-usage.js';

export type { ModelUsage } from './model-usage.js';
export { ModelError, type ModelErrorOptions } from './model-error.js';

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

export type Effort = 'low' | 'medium' | 'high' | 'max';

export interface ModelRequest {
  model: string;
  system: string | null;
  messages: ModelMessage[];
  tools: ToolSpec[];
  /** Upper bound of the answer in tokens; an adapter lowers it to what the model can give. */
  maxTokens: number;
  /** How much the model thinks; its own default when not given. Passed over where a model has no such setting. */
  effort?: Effort | undefined;
  /** `none`: the tools are told (they belong to the history), but none may be called. */
  toolChoice?: 'none' | undefined;
  /** Set where `messages` are not all that was said: makes ids of calls differ from those that are not told any more. */
  callSuffix?: string | undefined;
  /** A hint: this answer needs no thinking. Models that always think go on doing so. */
  thinking?: 'off' | undefined;
}

/** In tokens; null: not known. */
export interface ModelLimits {
  /** Prompt and answer together. */
  contextTokens: number | null;
  maxOutputTokens: number | null;
}

/** Why the provider stopped its answer, where it says more than the stop reason: a refusal and its category. */
export interface StopDetails {
  type: string;
  category: string | null;
  explanation: string | null;
}

export type ModelEvent =
  /**
   * The call was accepted; `usage` is what is known so far, `model` what really answers. `messageId` and
   * `requestId` are the provider's names of the answer and of the attempt.
   */
  | { type: 'start'; model: string; usage: ModelUsage; messageId?: string; requestId?: string }
  /** The totals of this call, as told so far: what is paid for should the answer break off. `stop` has the last ones. */
  | { type: 'usage'; usage: ModelUsage }
  /** Text of the answer. Block numbers grow and are those of the content. */
  | { type: 'text'; block: number; text: string }
  /** Reasoning text for people; its block comes whole later. */
  | { type: 'thinking'; text: string }
  /**
   * A whole block. For a text block `content.text` is `''`: its text went out as `text` events, and is
   * not held twice. A `tool_use` block's input is complete, or `{ INVALID_JSON: raw }`. A number that JavaScript
   * cannot hold is a string in it, and `exact_numbers` of the block has the text that goes back to the model.
   */
  | { type: 'block'; block: number; content: ContentBlock }
  /** Something that this version does not know, as it came. Nothing has to be done about it. */
  | { type: 'unknown'; raw: Record<string, unknown> }
  /**
   * The model is done. Without it a stream is not a success. `unfinished`: the last tool call was cut off.
   * `estimated`: the server told no usage, this one is a guess.
   */
  | {
      type: 'stop';
      stopReason: string;
      usage: ModelUsage;
      unfinished: boolean;
      details?: StopDetails;
      estimated?: boolean;
    };

/** @returns a promise only when whoever takes the events is behind */
export type TakeEvents = (events: readonly ModelEvent[]) => Promise<void> | undefined;

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

  /** Id of a model for small things, such as titles; null: none is known. */
  get cheapModel(): string | null {
    return null;
  }

  /** Id of the model that answers where a session asks for one, or for none. */
  resolve(asked: string | null): string {
    return asked ?? this.defaultModel;
  }

  /** For people: who answers, and where. */
  abstract describe(): string;

  /** What a model can take and give. */
  limits(_model: string): ModelLimits {
    return { contextTokens: null, maxOutputTokens: null };
  }

  /**
   * Asks the provider, at start, whether the default model may be called and for how long.
   * Ends soon, with nothing to say where the provider does not tell, or when `signal` is aborted. Never throws.
   */
  check(_signal: AbortSignal): Promise<ModelNotice[]> {
    return Promise.resolve([]);
  }

  /** Tells the observer from now on what concerns all calls: rate limits, and what an operator has to mend. */
  observe(_observer: ModelObserver): void {}

  /**
   * Streams one answer. When `signal` is aborted the connection is closed before the iterator ends or throws,
   * and leaving the loop early closes it as well. It may wait before it calls, when the provider has asked for that.
   */
  abstract stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;

  /**
   * As `stream`, but what came together is handed over together, and nothing after the stop: for each token a
   * generator costs several promises. Nothing more is handed over before the promise that `take` returns is settled;
   * what it throws ends the call.
   */
  async deliver(request: ModelRequest, signal: AbortSignal, take: TakeEvents): Promise<void> {
    for await (const event of this.stream(request, signal)) {
      const behind = take([event]);
      if (behind !== undefined) await behind;
      if (event.type === 'stop') return;
    }
  }
}
