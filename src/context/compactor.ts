import { AppError } from '../errors/app-error.js';
import {
  type ContentBlock,
  type LanguageModel,
  ModelError,
  type ModelEvent,
  type ModelMessage,
  type ModelRequest,
} from '../model/language-model.js';
import { estimateTokens } from '../model/estimate-tokens.js';
import { pauseBeforeRetry } from '../model/pause-before-retry.js';
import { isThinking } from '../model/thinking.js';
import { timedCall } from '../model/timed-call.js';
import type { History, Prompt, Said } from './prompt.js';

/** Of a model's context, what a prompt may fill before it is summarised; the rest is for the answer. */
const FILL = 0.8;
/** Upper bound of a summary, in tokens. */
const SUMMARY_TOKENS = 8_000;
/** A summary that was cut off may be so many times as long when it is asked for once more. */
const MORE_TOKENS = 4;
/** What is left of one tool result, in characters, when even the summary's prompt is too long. */
const CUT_RESULT = 2_000;
/** Of the longest prompt, what a summary must take the place of: where system and tools fill it, none helps. */
const LEAST_GAIN = 0.5;

const INSTRUCTION = `The conversation is too long to go on as it is. Write a summary that takes its place, for yourself:
the task and every wish of the user, in their words where they matter; what was done and found, with names, paths,
numbers and ids; what was decided and why; what is still open, and the next step. No tools, nothing but the summary.`;

/** Who is asked for summaries. */
export interface Summariser extends Pick<LanguageModel, 'limits'> {
  stream(kind: 'compaction', request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** A summary, and the last message that it stands for. */
export interface Summary<M extends Said = Said> {
  upTo: M;
  text: string;
}

interface Answer {
  text: string;
  stopReason: string;
}

export interface CompactorOptions {
  /** Prompt length, in tokens, from which on it is done; null: by the model's limit, where that is known. */
  compactAt: number | null;
  /** Longest time of one call of the model, in milliseconds. */
  callTimeoutMs: number;
  /** Waits, or rejects when the signal is aborted. */
  delay: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  random: () => number;
}

/** Shortens conversations: when the next prompt would be near the model's limit, when it was over it, or when asked. */
export class Compactor {
  constructor(
    private readonly model: Summariser,
    private readonly prompt: Prompt,
    private readonly options: CompactorOptions,
  ) {}

  /** Whether the request is too long, and a summary of what is in its history would make it much shorter. */
  isDue(request: ModelRequest, { messages }: History): boolean {
    const most = this.options.compactAt ?? this.limitOf(request);
    if (most === null || estimateTokens(request) <= most) return false;
    const said = messages
      .slice(0, summarisable(messages))
      .map(({ role, content }): ModelMessage => ({ role, content }));
    return estimateTokens({ system: null, tools: [], messages: said }) >= most * LEAST_GAIN;
  }

  /**
   * @param isOver whether the whole prompt was refused as too long: then it is made shorter for the summary, too.
   * @returns undefined when there is nothing to summarise.
   */
  async summarise<M extends Said>(
    history: History<M>,
    isOver: boolean,
    signal: AbortSignal,
  ): Promise<Summary<M> | undefined> {
    const count = summarisable(history.messages);
    const upTo = history.messages[count - 1];
    if (upTo === undefined) return undefined;
    const request = this.prompt.request({ ...history, messages: history.messages.slice(0, count) });
    const asked: ModelRequest = {
      ...request,
      maxTokens: Math.min(SUMMARY_TOKENS, request.maxTokens),
      toolChoice: 'none',
    };
    return { upTo, text: await this.summaryOf(asked, isOver, signal) };
  }

  /** The answer takes its room from the same context, but half of that is always for the prompt. */
  private limitOf({ model, maxTokens }: ModelRequest): number | null {
    const { contextTokens, maxOutputTokens } = this.model.limits(model);
    if (contextTokens === null) return null;
    return (contextTokens - Math.min(maxTokens, maxOutputTokens ?? maxTokens, contextTokens / 2)) * FILL;
  }

  /** A prompt that fits nowhere, as after a change to a smaller model, is made shorter for its summary. */
  private async summaryOf(request: ModelRequest, isOver: boolean, signal: AbortSignal): Promise<string> {
    if (!isOver) {
      try {
        return await this.ask(request, request.messages, signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof ModelError) || !isTooMuch(error)) throw error;
      }
    }
    return this.ask(request, this.shortened(request), signal);
  }

  private async ask(request: ModelRequest, said: ModelMessage[], signal: AbortSignal): Promise<string> {
    const asked = { ...request, messages: withInstruction(said) };
    const { text, stopReason } = await this.tryAgain(asked, signal);
    if (stopReason !== 'max_tokens') return summaryIn(text, stopReason);
    // Thinking takes its part of the room, sometimes all.
    const more = await this.tryAgain({ ...asked, maxTokens: asked.maxTokens * MORE_TOKENS }, signal);
    return summaryIn(more.text, more.stopReason);
  }

  private async tryAgain(request: ModelRequest, signal: AbortSignal): Promise<Answer> {
    const { callTimeoutMs, delay, random } = this.options;
    for (let tries = 1; ; tries += 1) {
      try {
        return await timedCall(callTimeoutMs, signal, (own) => this.answer(request, own));
      } catch (error) {
        if (signal.aborted || !(error instanceof ModelError)) throw error;
        const pause = pauseBeforeRetry(error, { tries, hasBegun: false, random });
        if (pause === undefined) throw error;
        await delay(pause, signal);
      }
    }
  }

  private async answer(request: ModelRequest, signal: AbortSignal): Promise<Answer> {
    const texts: string[] = [];
    let stopReason: string | undefined;
    for await (const event of this.model.stream('compaction', request, signal)) {
      if (event.type === 'text') texts.push(event.text);
      if (event.type === 'stop') stopReason = event.stopReason;
    }
    signal.throwIfAborted();
    if (stopReason === undefined || stopReason === 'model_context_window_exceeded')
      throw notWhole(stopReason);
    return { text: texts.join(''), stopReason };
  }

  /** Old results are cut, then the oldest exchanges left out; a call and its results always go together. */
  private shortened(request: ModelRequest): ModelMessage[] {
    const limit = this.model.limits(request.model).contextTokens ?? estimateTokens(request);
    const messages = request.messages.map(({ role, content }) => ({
      role,
      content: content.flatMap((block) => plain(block)),
    }));
    const units = exchanges(messages.filter(({ content }) => content.length > 0));
    const weigh = () => estimateTokens({ ...request, messages: units.flat() });
    while (units.length > 2 && weigh() > limit / 2) units.splice(1, 1);
    return units.flat();
  }
}

/** What was said before a refusal, or before a call that a server makes although it may not, is no summary. */
function summaryIn(text: string, stopReason: string): string {
  if (text.trim() !== '' && stopReason !== 'refusal' && stopReason !== 'tool_use') return text;
  throw new AppError('model_failed', 'The conversation is too long, and the model gave no summary of it.');
}

/** Whether results and files, which are left out when the prompt is made shorter, may be what was refused. */
function isTooMuch({ code, isContextOverflow }: ModelError): boolean {
  return isContextOverflow || code === 'request_too_large' || code === 'image_dimensions_too_large';
}

function notWhole(stopReason: string | undefined): ModelError {
  const isContextOverflow = stopReason !== undefined;
  return new ModelError('model_stream_truncated', 'The model ended its summary too early.', {
    retryable: !isContextOverflow,
    isContextOverflow,
  });
}

/** How many messages a summary stands for: all but what the user said last, which is not answered yet. */
export function summarisable(messages: readonly ModelMessage[]): number {
  return messages.findLastIndex(({ role, content }) => role === 'assistant' || content.some(isResult)) + 1;
}

function withInstruction(messages: ModelMessage[]): ModelMessage[] {
  return [...messages, { role: 'user', content: [{ type: 'text', text: INSTRUCTION }] }];
}

/** A message of the user or an answer, with the results of its calls where it has any. */
function exchanges(messages: ModelMessage[]): ModelMessage[][] {
  const units: ModelMessage[][] = [];
  for (const message of messages) {
    const last = units.at(-1);
    if (last !== undefined && message.content.some(isResult)) last.push(message);
    else units.push([message]);
  }
  return units;
}

function plain(block: ContentBlock): ContentBlock[] {
  if (isThinking(block)) return [];
  if (block.type === 'image' || block.type === 'document') return [{ type: 'text', text: '(a file)' }];
  if (!isResult(block)) return [block];
  const content = typeof block['content'] === 'string' ? block['content'] : JSON.stringify(block['content']);
  if (content.length <= CUT_RESULT) return [block];
  const half = CUT_RESULT / 2;
  return [{ ...block, content: `${content.slice(0, half)}\n(cut)\n${content.slice(-half)}`.toWellFormed() }];
}

function isResult({ type }: ContentBlock): boolean {
  return type === 'tool_result';
}
