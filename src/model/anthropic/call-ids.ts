import type { ContentBlock, ModelMessage } from '../language-model.js';

/**
 * Gives the tool calls of one answer ids that are unique in their conversation: servers that count from 0 in
 * each answer would make two calls one. The same answer to the same history gets the same ids; results go back
 * under the id that stands here.
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
    const named = typeof block.id === 'string' && block.id !== '' ? block.id : 'call';
    const told = this.suffix === undefined ? named : `${named}_${this.suffix}`;
    let id = told;
    for (let number = 2; this.taken.has(id); number += 1) id = `${told}_${number}`;
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
