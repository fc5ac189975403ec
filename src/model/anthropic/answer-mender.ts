import { createHash } from 'node:crypto';
import type { ContentBlock, ModelEvent, ModelMessage, ModelRequest } from '../language-model.js';
import { estimateTokens } from '../estimate-tokens.js';
import type { Profile } from './profiles.js';

/** Rough length of a token in characters of English text. */
const CHARACTERS_A_TOKEN = 4;

/** What the API takes as the name of a call in a history. */
const SENDABLE_NAME = /^[a-zA-Z0-9_-]{1,128}$/;
/** Characters of a name that is not sendable which people still see. */
const READABLE = 32;

/**
 * Makes up for what a server gets wrong in one answer, and for what it leaves out: ids and names of calls that can go
 * back, each id once in its conversation, and usage. Where ids are unique by contract, a second call of the same id
 * in the answer is the first one told twice, and is not handed on as a block.
 */
export class AnswerMender {
  private readonly ids: CallIds;
  private readonly called = new Set<string>();
  private received = 0;

  constructor(
    private readonly request: ModelRequest,
    private readonly profile: Profile,
  ) {
    this.ids = new CallIds(request.messages, request.callSuffix);
  }

  mend(event: ModelEvent): ModelEvent {
    switch (event.type) {
      case 'text':
      case 'thinking':
        this.received += event.text.length;
        return event;
      case 'block':
        if (this.isToldTwice(event.content)) return { type: 'unknown', raw: event.content };
        this.measure(event.content);
        return { ...event, content: this.named(this.ids.unique(event.content)) };
      case 'stop': {
        const { input_tokens, output_tokens, cache_read_input_tokens } = event.usage;
        const isTold = input_tokens + output_tokens + cache_read_input_tokens > 0;
        return isTold || !this.profile.usageMayBeMissing ? event : this.estimated(event);
      }
      default:
        return event;
    }
  }

  /** What has no id is not told twice. */
  private isToldTwice({ type, id }: ContentBlock): boolean {
    if (this.profile.idsMayRepeat || type !== 'tool_use' || typeof id !== 'string' || id === '') return false;
    const isTwice = this.called.has(id);
    this.called.add(id);
    return isTwice;
  }

  private measure({ input }: ContentBlock): void {
    if (this.profile.usageMayBeMissing && input !== undefined) this.received += JSON.stringify(input).length;
  }

  /** A name that cannot go back is that of no tool, and becomes one that no tool has: a guess is never called. */
  private named(block: ContentBlock): ContentBlock {
    const { type, name } = block;
    if (type !== 'tool_use' || (typeof name === 'string' && SENDABLE_NAME.test(name))) return block;
    const told = typeof name === 'string' ? name : '';
    const readable = told.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, READABLE);
    const hash = createHash('sha256').update(told).digest('hex').slice(0, 8);
    const made = `no-such-tool_${readable}_${hash}`;
    let free = made;
    for (let number = 2; this.isTool(free); number += 1) free = `${made}_${number}`;
    return { ...block, name: free };
  }

  private isTool(name: string): boolean {
    return this.request.tools.some((tool) => tool.name === name);
  }

  private estimated(event: ModelEvent & { type: 'stop' }): ModelEvent {
    const usage = {
      ...event.usage,
      input_tokens: estimateTokens(this.request),
      output_tokens: Math.ceil(this.received / CHARACTERS_A_TOKEN),
    };
    return { ...event, usage, estimated: true };
  }
}

/** What the API takes as an id. */
const SENDABLE = /^[a-zA-Z0-9_-]+$/;
/** The longest id that is made here: some services behind gateways take no longer ones. */
const MAX_MADE = 64;

/**
 * Gives the tool calls of one answer ids that the API takes and that are unique in their conversation: two calls of
 * one id would be one, and a history with both is refused for ever. The same answer to the same history gets the
 * same ids; results go back under the id that stands here.
 */
export class CallIds {
  private readonly taken = new Set<string>();

  /** @param suffix of all ids where a part of the history is not told any more: its ids are taken, too. */
  constructor(
    history: readonly ModelMessage[],
    private readonly suffix?: string,
  ) {
    for (const { content } of history) for (const block of content) this.take(block);
  }

  /** The block with an id of its own; what is no call stays as it is. */
  unique(block: ContentBlock): ContentBlock {
    if (!isCall(block)) return block;
    const told = sendable(block.id);
    const suffixes = this.suffix === undefined ? [] : [this.suffix];
    let id = joined(told, suffixes);
    for (let number = 2; this.taken.has(id); number += 1) id = joined(told, [...suffixes, number]);
    this.taken.add(id);
    return id === block.id ? block : { ...block, id };
  }

  private take(block: ContentBlock): void {
    if (isCall(block) && typeof block.id === 'string') this.taken.add(block.id);
  }
}

function isCall({ type }: ContentBlock): boolean {
  return type === 'tool_use';
}

function sendable(id: unknown): string {
  if (typeof id !== 'string' || id === '') return 'call';
  return SENDABLE.test(id) ? id : id.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, MAX_MADE);
}

function joined(told: string, suffixes: readonly (string | number)[]): string {
  if (suffixes.length === 0) return told;
  const end = suffixes.map((suffix) => `_${suffix}`).join('');
  return told.slice(0, MAX_MADE - end.length) + end;
}
