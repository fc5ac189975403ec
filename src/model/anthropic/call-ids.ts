import type { ContentBlock, ModelMessage } from '../language-model.js';

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
