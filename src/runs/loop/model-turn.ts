import type { LogWriter } from '../../event-log/event-log.js';
import {
  type LanguageModel,
  ModelError,
  type ModelEvent,
  type ModelRequest,
  type ModelUsage,
} from '../../model/language-model.js';
import { MessageDraft, type SavePart } from './message-draft.js';
import { costMicroUsd } from '../../model/prices.js';
import { addCost } from '../../usage/cost.js';
import { addBrokenCall, addCall, type Spent } from '../../usage/usage-sum.js';

const MAX_TRIES = 4;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A provider that asks for a longer wait than this is not waited for. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Characters handed to the log and not yet durable, above which the model has to wait. */
const MAX_PENDING = 262_144;

export interface TurnDependencies {
  model: LanguageModel;
  writer: LogWriter;
  savePart: SavePart;
  signal: AbortSignal;
  /** Waits, or rejects with the reason when the signal is aborted. */
  delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  random: () => number;
}

/** How a turn ended: the whole answer, or what there was of it when the run was stopped. */
export interface TurnResult {
  draft: MessageDraft;
  /** Null: the run was stopped in mid-turn. */
  stopReason: string | null;
  unfinished: boolean;
}

/** One call of the model, as often as it takes: streams the answer into the log and collects it. */
export class ModelTurn {
  private readonly after: string | null;
  private draft: MessageDraft;
  private started: ModelUsage | undefined;

  constructor(
    private readonly request: ModelRequest,
    private spent: Spent,
    private readonly dependencies: TurnDependencies,
  ) {
    this.after = dependencies.writer.lastEventId;
    this.draft = new MessageDraft(dependencies.savePart);
  }

  /** @throws ModelError when it failed for good; `spentSoFar` has what it cost. */
  async run(): Promise<TurnResult> {
    const { signal } = this.dependencies;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.tryOnce();
      } catch (error) {
        this.addBroken();
        if (signal.aborted) return { draft: this.draft, stopReason: null, unfinished: true };
        if (!this.isWorthAnotherTry(error) || attempt === MAX_TRIES) throw error;
        await this.takeBack(error);
        await this.wait(error, attempt);
      }
      if (signal.aborted) return { draft: this.draft, stopReason: null, unfinished: true };
    }
  }

  /** Tokens of the calls before this turn and of its own, also when it failed. */
  get spentSoFar(): Spent {
    return this.spent;
  }

  private addBroken(): void {
    if (this.started === undefined) return;
    const usage = addBrokenCall(this.spent.usage, this.started, this.draft.received);
    const call = { ...this.started, output_tokens: usage.output_tokens - this.spent.usage.output_tokens };
    this.spent = { usage, cost: addCost(this.spent.cost, costMicroUsd(this.request.model, call)) };
  }

  private async tryOnce(): Promise<TurnResult> {
    const { model, signal } = this.dependencies;
    this.started = undefined;
    for await (const event of model.stream(this.request, signal)) {
      if (event.type === 'stop') {
        this.started = undefined;
        this.spent = {
          usage: addCall(this.spent.usage, event.usage),
          cost: addCost(this.spent.cost, costMicroUsd(this.request.model, event.usage)),
        };
        return { draft: this.draft, stopReason: event.stopReason, unfinished: event.unfinished };
      }
      await this.take(event);
    }
    signal.throwIfAborted();
    throw new ModelError('model_stream_truncated', 'The model ended its answer too early.', {
      retryable: true,
    });
  }

  private take(event: Exclude<ModelEvent, { type: 'stop' }>): Promise<void> | undefined {
    switch (event.type) {
      case 'start':
        this.started = event.usage;
        break;
      case 'text':
        this.draft.addText(event.block, event.text);
        return this.show('token', event.text);
      case 'thinking':
        return this.show('thinking', event.text);
      case 'block':
        this.draft.addBlock(event.block, event.content);
    }
    return undefined;
  }

  /** Hands text to the log; only when the log or the memory is behind does the model wait. */
  private show(type: 'token' | 'thinking', text: string): Promise<void> | undefined {
    const { writer } = this.dependencies;
    const appended = writer.append({ type, data: { text } });
    if (this.draft.isLong) return appended.then(() => this.draft.spill());
    return writer.pending > MAX_PENDING ? appended : undefined;
  }

  /** A limit whose end nobody tells is not guessed at: a call refused with it fails at once. */
  private isWorthAnotherTry(error: unknown): error is ModelError {
    if (!(error instanceof ModelError) || !error.retryable) return false;
    const { code, retryAfterMs } = error;
    if (code === 'rate_limit_error' && this.started === undefined && retryAfterMs === undefined) return false;
    return (retryAfterMs ?? 0) <= MAX_RETRY_AFTER_MS;
  }

  /** What was shown of a broken answer is taken back before it is asked for again; halves are never joined. */
  private async takeBack(error: ModelError): Promise<void> {
    const { writer, savePart } = this.dependencies;
    if (writer.lastEventId !== this.after) {
      await writer.append({ type: 'reset', data: { after: this.after, reason: error.code } });
    }
    this.draft = new MessageDraft(savePart);
  }

  private async wait(error: ModelError, attempt: number): Promise<void> {
    const { random, delay, signal } = this.dependencies;
    const longest = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
    try {
      await delay(error.retryAfterMs ?? random() * longest, signal);
    } catch (stopped) {
      if (!signal.aborted) throw stopped;
    }
  }
}
