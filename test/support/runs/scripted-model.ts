import {
  type ContentBlock,
  LanguageModel,
  type ModelEvent,
  type ModelRequest,
  type ModelUsage,
} from '../../../src/model/language-model.js';
import { complaintAbout } from '../anthropic/strict-anthropic.js';

/** What the model does next: says something, fails, or lets the test do something (and waits for it). */
export type Beat = ModelEvent | Error | ((signal: AbortSignal) => unknown);

/** The answer to a call, from what is asked; `call` counts from 1. An answer without a `stop` just ends. */
export type Script = (request: ModelRequest, call: number) => Beat[];

/** How the model takes it when it is aborted: both are allowed. */
export type AbortManner = 'ends' | 'throws';

/** A model that says what the test wrote down, and refuses to notice nothing: see `complaints`. */
export class ScriptedModel extends LanguageModel {
  readonly defaultModel = 'scripted';
  readonly requests: ModelRequest[] = [];
  /** What the real service would have answered with 400. */
  readonly complaints: string[] = [];
  connections = 0;

  constructor(
    private readonly script: Script,
    private readonly abortManner: AbortManner = 'throws',
  ) {
    super();
  }

  /** Answers in order; a call too many fails the test. */
  static saying(...answers: Beat[][]): ScriptedModel {
    return new ScriptedModel((_, call) => answers[call - 1] ?? [new Error(`no answer for call ${call}`)]);
  }

  describe(): string {
    return 'a script';
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent, void> {
    this.requests.push(structuredClone(request));
    this.judge(request);
    this.connections += 1;
    try {
      for (const beat of this.script(request, this.requests.length)) {
        if (signal.aborted) break;
        if (beat instanceof Error) throw beat;
        if (typeof beat === 'function') await beat(signal);
        else yield beat;
      }
      if (signal.aborted && this.abortManner === 'throws') throw signal.reason;
    } finally {
      this.connections -= 1;
    }
  }

  private judge({ model, maxTokens, messages, tools }: ModelRequest): void {
    const sendable = messages
      .map(({ role, content }) => ({ role, content: content.filter((block) => block['text'] !== '') }))
      .filter(({ content }) => content.length > 0);
    const complaint = complaintAbout(
      { model, max_tokens: maxTokens, stream: true, messages: sendable, tools },
      messages.at(-1)?.role === 'assistant',
    );
    if (complaint !== undefined) this.complaints.push(complaint);
  }
}

const usageOf = (output_tokens: number): ModelUsage => ({
  input_tokens: 10,
  output_tokens,
  cache_read_input_tokens: 3,
  cache_creation_input_tokens: 2,
});

export const started: ModelEvent = { type: 'start', model: 'scripted', usage: usageOf(1) };

export const text = (piece: string, block = 0): ModelEvent => ({ type: 'text', block, text: piece });

export const block = (index: number, content: ContentBlock): ModelEvent => ({
  type: 'block',
  block: index,
  content,
});

export const stopped = (stopReason: string, unfinished = false): ModelEvent => ({
  type: 'stop',
  stopReason,
  usage: usageOf(7),
  unfinished,
});

export const toolUse = (id: string, name: string, input: unknown = {}): ContentBlock => ({
  type: 'tool_use',
  id,
  name,
  input,
});

/** A whole answer: its text in these pieces, then these calls. */
export function saying(
  pieces: string[],
  calls: ContentBlock[] = [],
  stopReason = calls.length > 0 ? 'tool_use' : 'end_turn',
): Beat[] {
  const first = pieces.length > 0 ? 1 : 0;
  return [
    started,
    ...pieces.map((piece) => text(piece)),
    ...(pieces.length > 0 ? [block(0, { type: 'text', text: '' })] : []),
    ...calls.map((call, index) => block(first + index, call)),
    stopped(stopReason),
  ];
}

/** A beat that lasts until the call is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
