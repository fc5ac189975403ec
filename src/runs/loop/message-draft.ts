import { newId } from '../../database/ids.js';
import type { ContentBlock } from '../../model/language-model.js';

/** Characters of answer text held in memory; more than that is stored while the answer still streams. */
const HOLD = 262_144;

/** Half a character at the end; text with it is refused by the model, and with it the whole conversation. */
const HALF = /[\ud800-\udbff]$/;

/** Stores a piece of a message that does not exist yet; `place` is that of its text among the message's texts. */
export type SavePart = (messageId: string, place: number, position: number, text: string) => Promise<void>;

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
  /** In the order of the blocks, which are never mixed: the first is the first text of the message, and so on. */
  private readonly texts = new Map<number, string[]>();
  private held = 0;
  private saved = 0;
  private lastSavedPlace = -1;

  constructor(private readonly savePart: SavePart) {}

  addText(block: number, text: string): void {
    this.textsOf(block).push(text);
    this.held += text.length;
    this.received += text.length;
  }

  addBlock(block: number, content: ContentBlock): void {
    if (content.type === 'text') this.textsOf(block);
    this.blocks.set(block, content);
  }

  get isLong(): boolean {
    return this.held > HOLD;
  }

  /** Stores the text held so far and lets go of it. */
  async spill(): Promise<void> {
    for (const [place, texts] of [...this.texts.values()].entries()) {
      if (texts.length === 0) continue;
      const text = texts.splice(0).join('');
      this.held -= text.length;
      this.hasParts = true;
      this.lastSavedPlace = place;
      await this.savePart(this.id, place, this.saved, text);
      this.saved += 1;
    }
  }

  /** The content of a whole answer; text that was stored already is left out. */
  content(): ContentBlock[] {
    return [...this.blocks]
      .toSorted(([a], [b]) => a - b)
      .map(([index, block]) =>
        block.type === 'text' ? { ...block, text: this.textsOf(index).join('') } : block,
      );
  }

  /** What of an answer that was stopped can stay in the conversation: its text, if it is more than blanks. */
  partialContent(): ContentBlock[] {
    return [...this.texts.values()]
      .map((texts) => ({ type: 'text', text: texts.join('').replace(HALF, '') }))
      .filter(({ text }, place) => place <= this.lastSavedPlace || text.trim() !== '');
  }

  private textsOf(block: number): string[] {
    const texts = this.texts.get(block) ?? [];
    this.texts.set(block, texts);
    return texts;
  }
}
