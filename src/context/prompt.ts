import { createHash } from 'node:crypto';
import type { ContentBlock, Effort, ModelMessage, ModelRequest, ToolSpec } from '../model/language-model.js';
import { isThinking } from '../model/thinking.js';

/** What a run asks the model with, the same for a whole attempt. */
export interface Frame {
  model: string;
  system: string | null;
  tools: ToolSpec[];
  maxTokens: number;
  effort?: Effort | undefined;
}

/** A stored message, as far as the model is concerned. */
export interface Said {
  role: 'user' | 'assistant';
  content: ContentBlock[];
  /** Of an answer why it ended, of the user's words null, or `NOT_ACCEPTED`. */
  stopReason: string | null;
  /** What stood before it when the model made it, as `prefixHash` names it; null: not known. */
  prefixHash: string | null;
}

/** The provider has refused the message itself, and would again: it stays stored, and is left out. */
export const NOT_ACCEPTED = 'not_accepted';

/** What the model has to know of the conversation: all of it, or a summary and what came after it. */
export interface History<M extends Said = Said> {
  compaction: { id: string; summary: string } | undefined;
  messages: readonly M[];
}

const SUMMARY = 'This conversation was longer. Summary of all that came before, made by the assistant:';
const GO_ON = 'Go on with the task where the summary ends.';

/** Makes requests of a conversation. History is only ever appended to; what the model signed goes back as it came. */
export class Prompt {
  private readonly frameHash: string;

  constructor(private readonly frame: Frame) {
    this.frameHash = hashOf(frame);
  }

  request(history: History): ModelRequest {
    const { effort, ...frame } = this.frame;
    const { compaction } = history;
    return {
      ...frame,
      messages: this.messages(history),
      ...(effort === undefined ? {} : { effort }),
      ...(compaction === undefined ? {} : { callSuffix: compaction.id }),
    };
  }

  /** Names everything that stands before the messages of a history: what the model signed holds for this alone. */
  prefixHash({ compaction }: History): string {
    return compaction === undefined ? this.frameHash : hash(`${this.frameHash} ${compaction.id}`);
  }

  private messages(history: History): ModelMessage[] {
    const { compaction, messages } = history;
    const signedFrom = firstWith(this.prefixHash(history), messages);
    const said = messages.map(({ role, content, stopReason }, index) => {
      if (stopReason === NOT_ACCEPTED) return { role, content: [] };
      return { role, content: index < signedFrom ? content.filter((block) => !isThinking(block)) : content };
    });
    // An empty answer happens; given back it would be refused.
    const sendable = said.filter(({ content }) => content.length > 0);
    return compaction === undefined ? sendable : afterSummary(compaction.summary, sendable);
  }
}

/** Nearly all runs ask with the frame of the run before: its tools are long, and always the same objects. */
let lastHashed: { frame: Frame; hash: string } | undefined;

function hashOf(frame: Frame): string {
  if (lastHashed !== undefined && isSame(lastHashed.frame, frame)) return lastHashed.hash;
  const { model, system, tools } = frame;
  lastHashed = { frame, hash: hash(JSON.stringify([model, system, tools])) };
  return lastHashed.hash;
}

function isSame(one: Frame, other: Frame): boolean {
  return (
    one.model === other.model &&
    one.system === other.system &&
    one.tools.length === other.tools.length &&
    one.tools.every((tool, index) => tool === other.tools[index])
  );
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/**
 * Index of the first message of those at the end whose answers were all made behind this prefix. Providers bind
 * reasoning to what stood before it: after another system prompt, other tools or a summary it is left out.
 */
function firstWith(prefixHash: string, messages: readonly Said[]): number {
  return (
    messages.findLastIndex(
      (message) =>
        message.role === 'assistant' && message.prefixHash !== null && message.prefixHash !== prefixHash,
    ) + 1
  );
}

function afterSummary(summary: string, messages: ModelMessage[]): ModelMessage[] {
  const text = { type: 'text', text: `${SUMMARY}\n\n${summary}` };
  const [first, ...rest] = messages;
  if (first?.role === 'user') return [{ role: 'user', content: [text, ...first.content] }, ...rest];
  return [{ role: 'user', content: [text, { type: 'text', text: GO_ON }] }, ...messages];
}
