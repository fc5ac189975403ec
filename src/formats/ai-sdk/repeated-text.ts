export type TextKind = 'text' | 'reasoning';

export interface TextPart {
  kind: TextKind;
  text: string;
}

/**
 * Compares a turn that is said again with what a client shows of it. As long as both are the same nothing has to be
 * taken back.
 */
export class RepeatedText {
  private at = 0;
  private offset = 0;

  /** @param shown parts as they are shown, none of them empty, each of another kind than the one before. */
  constructor(readonly shown: readonly TextPart[]) {}

  /** All that is shown was said again. */
  get isWhole(): boolean {
    return this.at === this.shown.length - 1 && this.offset === this.length;
  }

  /**
   * The next that is said again.
   * @returns what of it is new, once it goes further than what is shown: empty while it does not; undefined when it
   * is not the same.
   */
  take({ kind, text }: TextPart): string | undefined {
    if (this.isWhole) return text;
    if (kind !== this.part?.kind && this.offset === this.length) {
      this.at += 1;
      this.offset = 0;
    }
    if (kind !== this.part?.kind) return undefined;
    const isLast = this.at === this.shown.length - 1;
    const said = isLast ? text.slice(0, this.length - this.offset) : text;
    if (!this.part.text.startsWith(said, this.offset)) return undefined;
    this.offset += said.length;
    return text.slice(said.length);
  }

  private get part(): TextPart | undefined {
    return this.shown[this.at];
  }

  private get length(): number {
    return this.part?.text.length ?? 0;
  }
}
