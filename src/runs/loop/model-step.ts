import { AppError } from '../../errors/app-error.js';
import type { LogWriter } from '../../event-log/event-log.js';
import type { StopDetails } from '../../event-log/run-event.js';
import type { Queryable } from '../../database/database.js';
import { type ContentBlock, ModelError } from '../../model/language-model.js';
import type { Message } from '../../sessions/message.js';
import type { MessageRepository } from '../../sessions/message.repository.js';
import { type Compactor, summarisable } from '../../context/compactor.js';
import type { Conversation } from './conversation.js';
import { ModelTurn, type TurnDependencies, type TurnResult } from './model-turn.js';
import { isSilent, isWordless, PAUSED, reasonToEnd, TRUNCATED } from './next-step.js';
import type { History, Prompt } from '../../context/prompt.js';
import { stopOf } from '../run-stop.js';

/** How often in a row an answer that the model has paused is continued. */
const MAX_CONTINUATIONS = 5;
const TOO_LONG = 'model_context_window_exceeded';
const NUDGE = 'You have not said anything. Please answer, or say what is missing.';

export interface ModelStepDependencies extends Omit<TurnDependencies, 'savePart'> {
  conversation: Conversation;
  prompt: Prompt;
  compactor: Compactor;
  messages: Pick<MessageRepository, 'savePart'>;
  writer: LogWriter;
  maxTurns: number;
  maxRepeats: number;
  /** Stores what the model is asked with, for who takes over a run that goes on after an answer. */
  saveFrame(on: Queryable): Promise<void>;
}

/** The model is asked once, with all that was said or a summary of it, and its answer becomes a message. */
export class ModelStep {
  /** Why the last answer was refused. */
  details: StopDetails | undefined;
  /** An answer with calls was to be stored, and with it what the model was asked with. */
  hasCalls = false;
  private isFrameSaved = false;
  private pauses = 0;
  /** Nothing is gained by a second summary before the model has answered. */
  private isSummarised = false;

  constructor(
    /** Turns done so far, over all attempts. */
    public turns: number,
    private readonly dependencies: ModelStepDependencies,
  ) {}

  /** @throws RunStop when it was stopped in mid-answer, whose text is kept; ModelError, AppError when it failed. */
  async execute(): Promise<void> {
    const { conversation, prompt, compactor, signal, maxTurns, maxRepeats } = this.dependencies;
    if (this.turns >= maxTurns) {
      throw new AppError(
        'max_turns',
        `The run has used its ${maxTurns} turns: raise MAX_TURNS or ask for less.`,
      );
    }
    const history = await conversation.history();
    const reason = reasonToEnd(history.messages, maxRepeats);
    if (reason !== undefined) throw reason;
    const request = prompt.request(history);
    if (!this.isSummarised && compactor.isDue(request, history) && (await this.compact(history, false)))
      return;
    const turn = new ModelTurn(request, {
      ...this.dependencies,
      savePart: (id, place, position, text) => this.dependencies.messages.savePart(id, place, position, text),
    });
    try {
      const result = await turn.run();
      if (result.stop?.stopReason === TOO_LONG && (await this.shorten(history, turn))) return;
      await this.keep(result, prompt.prefixHash(history));
    } catch (error) {
      const isTooLong = error instanceof ModelError && error.isContextOverflow && !signal.aborted;
      if (!isTooLong || !(await this.shorten(history, turn))) throw error;
    }
  }

  /** An answer without a word after tool results is asked for once more. @returns whether that was done. */
  async nudge(): Promise<boolean> {
    const { conversation, maxTurns } = this.dependencies;
    if (this.turns >= maxTurns) return false;
    const last = await conversation.last();
    if (last === undefined || last.hasParts || !last.content.every(isWordless)) return false;
    const { messages } = await conversation.history();
    if (!isSilent(messages)) return false;
    await conversation.addNote(NUDGE, this.progress);
    return true;
  }

  get progress() {
    return { turns: this.turns, ...this.dependencies.model.spent };
  }

  private async shorten(history: History<Message>, turn: ModelTurn): Promise<boolean> {
    // What was shown is taken back only when another answer follows.
    if (this.isSummarised || summarisable(history.messages) === 0) return false;
    await turn.takeBack('context_overflow');
    return this.compact(history, true);
  }

  private async compact(history: History<Message>, isOver: boolean): Promise<boolean> {
    const { compactor, conversation, signal } = this.dependencies;
    const summary = await compactor.summarise(history, isOver, signal);
    if (summary === undefined) return false;
    this.isSummarised = true;
    await conversation.addSummary(summary, this.progress);
    return true;
  }

  private async keep({ draft, stop }: TurnResult, prefixHash: string): Promise<void> {
    const { conversation } = this.dependencies;
    this.isSummarised = false;
    const { id, hasParts } = draft;
    if (stop !== null) {
      this.turns += 1;
      this.details = stop.details;
      const stopReason = stop.unfinished ? TRUNCATED : this.counted(stop.stopReason);
      const content = draft.content();
      const also = this.frameToSave(content);
      await conversation.addAnswer({ id, content, hasParts, stopReason, prefixHash }, this.progress, also);
      this.isFrameSaved ||= also !== undefined;
      return;
    }
    const why = stopOf(this.dependencies.signal);
    // Another process repeats the turn; otherwise the answer stays as far as it was shown.
    const content = why.kind === 'lost' || why.kind === 'shutdown' ? [] : draft.partialContent();
    const stopReason = why.kind === 'timeout' ? 'run_timeout' : 'cancelled';
    if (content.length > 0)
      await conversation.addAnswer({ id, content, hasParts, stopReason, prefixHash }, this.progress);
    throw why;
  }

  /** Only a run that goes on needs it. */
  private frameToSave(content: ContentBlock[]): ModelStepDependencies['saveFrame'] | undefined {
    if (this.isFrameSaved || content.every(({ type }) => !type.endsWith('tool_use'))) return undefined;
    this.hasCalls = true;
    return (on) => this.dependencies.saveFrame(on);
  }

  private counted(stopReason: string): string {
    this.pauses = stopReason === 'pause_turn' ? this.pauses + 1 : 0;
    return this.pauses > MAX_CONTINUATIONS ? PAUSED : stopReason;
  }
}
