import { RepeatedText, type TextKind, type TextPart } from './repeated-text.js';
import type { UiChunk } from './ui-chunk.js';

/** One event's text. */
interface Piece extends TextPart {
  seq: number;
}

/** What was said in one step, and how much of it has been sent: the rest can be held back, or taken back. */
export class TurnText {
  private readonly pieces: Piece[] = [];
  private sent = 0;
  private open: { kind: TextKind; id: string } | undefined;
  private repeated: RepeatedText | undefined;

  add(kind: TextKind, seq: number, text: string): void {
    if (text !== '') this.pieces.push({ kind, seq, text });
  }

  /**
   * What was not sent yet; the last part stays open for more.
   * @param isAll nothing more is said in this step.
   */
  flush(isAll: boolean): UiChunk[] {
    const chunks = this.repeat(isAll);
    while (this.sent < this.pieces.length) {
      const { kind, seq } = this.pieces[this.sent] as Piece;
      let delta = '';
      for (; this.pieces[this.sent]?.kind === kind; this.sent += 1)
        delta += this.pieces[this.sent]?.text ?? '';
      chunks.push(...this.write(kind, seq, delta));
    }
    return chunks;
  }

  close(): UiChunk[] {
    if (this.open === undefined) return [];
    const { kind, id } = this.open;
    this.open = undefined;
    return [{ type: `${kind}-end`, id }];
  }

  /** Forgets what was said after this event. @returns whether some of that is shown. */
  dropAfter(seq: number): boolean {
    const shown = this.repeated?.shown ?? merged(this.pieces.slice(0, this.sent));
    const kept = this.pieces.filter((piece) => piece.seq <= seq).length;
    const isShown = this.sent > kept || this.repeated !== undefined;
    this.pieces.length = kept;
    if (isShown) {
      this.repeated = new RepeatedText(shown);
      this.sent = 0;
    }
    return isShown;
  }

  /** Passes over what is shown already, as long as it is said again to the letter; else all of it is taken back. */
  private repeat(isAll: boolean): UiChunk[] {
    while (this.repeated !== undefined && this.sent < this.pieces.length) {
      const piece = this.pieces[this.sent] as Piece;
      const rest = this.repeated.take(piece);
      if (rest === undefined) return this.takeBack();
      this.sent += 1;
      if (rest === '') continue;
      this.repeated = undefined;
      return this.write(piece.kind, piece.seq, rest);
    }
    return isAll && this.repeated?.isWhole === false ? this.takeBack() : [];
  }

  private takeBack(): UiChunk[] {
    this.repeated = undefined;
    this.open = undefined;
    this.sent = 0;
    return [{ type: 'reset-step' }];
  }

  private write(kind: TextKind, seq: number, delta: string): UiChunk[] {
    const chunks: UiChunk[] = [];
    if (this.open?.kind !== kind) {
      chunks.push(...this.close());
      this.open = { kind, id: `${kind}-${seq}` };
      chunks.push({ type: `${kind}-start`, id: this.open.id });
    }
    return [...chunks, { type: `${kind}-delta`, id: this.open.id, delta }];
  }
}

function merged(pieces: readonly Piece[]): TextPart[] {
  const parts: TextPart[] = [];
  for (const { kind, text } of pieces) {
    const last = parts.at(-1);
    if (last?.kind === kind) last.text += text;
    else parts.push({ kind, text });
  }
  return parts;
}
