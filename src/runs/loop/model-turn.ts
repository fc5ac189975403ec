import type { LogWriter } from '../../event-log/event-log.js';
import type { RunEvent } from '../../event-log/run-event.js';
import { ModelError, type ModelEvent, type ModelRequest } from '../../model/language-model.js';
import { pauseBeforeRetry } from '../../model/pause-before-retry.js';
import { timedCall } from '../../model/timed-call.js';
import type { MeteredModel } from '../../usage/metered-model.js';
import { MessageDraft, type SavePart } from './message-draft.js';

/** Characters handed to the log and not yet durable, above which the model has to wait. */
const MAX_PENDING = 262_144;
/** An answer that ended inside a tool call may be so many times as long when it is asked for once more. */
const MORE_TOKENS = 4;

export interface TurnDependencies {
  model: MeteredModel;
  writer: LogWriter;
  savePart: SavePart;
  signal: AbortSignal;
  /** Longest time of one call of the model, in milliseconds. */
  callTimeoutMs: number;
  /** Waits, or rejects with the reason when the signal is aborted. */
  delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  random: () => number;
}

type Stop = Extract<ModelEvent, { type: 'stop' }>;

/** How a turn ended: the whole answer, or what there was of it when the run was stopped. */
export interface TurnResult {
  draft: MessageDraft;
  /** Null: the run was stopped in mid-turn. */
  stop: Omit<Stop, 'usage' | 'type'> | null;
}

/** One call of the model, as often as it takes: streams the answer into the log and collects it. */
export class ModelTurn {
  private readonly after: string | null;
  private draft: MessageDraft;
  private hasBegun = false;
  private hasAllowedMore = false;

  constructor(
    private request: ModelRequest,
    private readonly dependencies: TurnDependencies,
  ) {
    this.after = dependencies.writer.lastEventId;
    this.draft = new MessageDraft(dependencies.savePart);
  }

  /** @throws ModelError when it failed for good; AppError `budget_exceeded`. */
  async run(): Promise<TurnResult> {
    const { signal, random, callTimeoutMs } = this.dependencies;
    let tries = 0;
    while (!signal.aborted) {
      try {
        const stop = await timedCall(callTimeoutMs, signal, (own) => this.stream(own));
        if (!stop.unfinished || !this.allowMore()) return { draft: this.draft, stop };
        await this.takeBack('truncated');
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof ModelError)) throw error;
        tries += 1;
        const pause = pauseBeforeRetry(error, { tries, hasBegun: this.hasBegun, random });
        if (pause === undefined) throw error;
        await this.takeBack(error.code);
        await this.wait(pause);
      }
    }
    return { draft: this.draft, stop: null };
  }

  /** What was shown of an answer is taken back before it is asked for again; halves are never joined. */
  async takeBack(reason: string): Promise<void> {
    const { writer, savePart } = this.dependencies;
    if (writer.lastEventId !== this.after) {
      await writer.append({ type: 'reset', data: { after: this.after, reason } });
    }
    this.draft = new MessageDraft(savePart);
  }

  private async stream(signal: AbortSignal): Promise<Stop> {
    this.hasBegun = false;
    let stop: Stop | undefined;
    await this.dependencies.model.deliver('turn', this.request, signal, (events) => {
      const last = events.at(-1);
      if (last?.type === 'stop') stop = last;
      return this.take(events);
    });
    if (stop !== undefined) return stop;
    signal.throwIfAborted();
    throw new ModelError('model_stream_truncated', 'The model ended its answer too early.', {
      retryable: true,
    });
  }

  /** Hands text to the log; only when the log or the memory is behind does the model wait. */
  private take(events: readonly ModelEvent[]): Promise<void> | undefined {
    const said: RunEvent[] = [];
    for (const event of events) {
      if (event.type === 'text') {
        this.draft.addText(event.block, event.text);
        said.push({ type: 'token', data: { text: event.text } });
      } else if (event.type === 'thinking') said.push({ type: 'thinking', data: { text: event.text } });
      else if (event.type === 'block') this.draft.addBlock(event.block, event.content);
      else if (event.type === 'start') this.hasBegun = true;
    }
    if (said.length === 0) return undefined;
    const { writer } = this.dependencies;
    const appended = writer.append(...said);
    if (this.draft.isLong) return appended.then(() => this.draft.spill());
    return writer.pending > MAX_PENDING ? appended : undefined;
  }

  /** Once, and only where the model can say more. */
  private allowMore(): boolean {
    const { model, maxTokens } = this.request;
    const most = this.dependencies.model.limits(model).maxOutputTokens ?? maxTokens * MORE_TOKENS;
    const next = Math.min(maxTokens * MORE_TOKENS, most);
    if (this.hasAllowedMore || next <= maxTokens) return false;
    this.hasAllowedMore = true;
    this.request = { ...this.request, maxTokens: next };
    return true;
  }

  private async wait(milliseconds: number): Promise<void> {
    const { delay, signal } = this.dependencies;
    try {
      await delay(milliseconds, signal);
    } catch (stopped) {
      if (!signal.aborted) throw stopped;
    }
  }
}
