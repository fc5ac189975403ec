import { newId } from '../../database/ids.js';
import type { ContentBlock } from '../../model/language-model.js';

/** Characters of answer text held in memory; more than that is stored while the answer still streams. */
const HOLD = 262_144;

/** Stores a piece of a message that does not exist yet. */
export type SavePart = (messageId: string, block: number, position: number, text: string) => Promise<void>;

/**
 * The assistant message that a turn is writing. Text is collected in parts and joined once; of a very long
 * answer only its latest part is in memory.
 */
export class MessageDraft {
  readonly id = newId('msg');
  /** Characters of text received. */
  received = 0;
  hasParts = false;
  private readonly blocks = new Map<number, ContentBlock>();
  private readonly texts = new Map<number, string[]>();
  private held = 0;
  private saved = 0;

  constructor(private readonly savePart: SavePart) {}

  addText(block: number, text: string): void {
    const texts = this.texts.get(block);
    if (texts === undefined) this.texts.set(block, [text]);
    else texts.push(text);
    this.held += text.length;
    this.received += text.length;
  }

  addBlock(block: number, content: ContentBlock): void {
    this.blocks.set(block, content);
  }

  get isLong(): boolean {
    return this.held > HOLD;
  }

  /** Stores the text held so far and lets go of it. */
  async spill(): Promise<void> {
    for (const [block, texts] of this.texts) {
      if (texts.length === 0) continue;
      const text = texts.splice(0).join('');
      this.held -= text.length;
      this.hasParts = true;
      await this.savePart(this.id, block, this.saved, text);
      this.saved += 1;
    }
  }

  /** The content of a whole answer; text that was stored already is left out. */
  content(): ContentBlock[] {
    return [...this.blocks]
      .toSorted(([a], [b]) => a - b)
      .map(([index, block]) => (block.type === 'text' ? { ...block, text: this.textOf(index) } : block));
  }

  /** What of an answer that was stopped can stay in the conversation: its text. */
  partialContent(): ContentBlock[] {
    return [...this.texts.keys()]
      .toSorted((a, b) => a - b)
      .map((index) => ({ type: 'text', text: this.textOf(index) }))
      .filter((block) => block.text !== '' || this.hasParts);
  }

  private textOf(block: number): string {
    return (this.texts.get(block) ?? []).join('');
  }
}
