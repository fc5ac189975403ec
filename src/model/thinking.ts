import type { ContentBlock } from './language-model.js';

/** Whether a block is the model's reasoning, told or withheld: it goes back as it came, or not at all. */
export function isThinking({ type }: ContentBlock): boolean {
  return type === 'thinking' || type === 'redacted_thinking';
}
