import { describe, expect, it } from '@jest/globals';
import { cutText } from './cut-text.js';

describe('cutText', () => {
  it('leaves a text that fits as it is', () => {
    expect(cutText('é'.repeat(50), 100)).toBe('é'.repeat(50));
  });

  it('keeps head and tail of a longer text and says how much is missing', () => {
    expect(cutText(`${'a'.repeat(600)}${'z'.repeat(600)}`, 104)).toBe(
      `${'a'.repeat(20)}\n[… 1160 characters left out …]\n${'z'.repeat(20)}`,
    );
  });

  it.each([
    ['two bytes', 'é'],
    ['three bytes', '語'],
    ['four bytes', '😀'],
    ['a mixture', 'aé語😀'],
  ])('never splits a character (%s), wherever the cut falls', (_what, character) => {
    const text = character.repeat(200);
    for (let maxBytes = 64; maxBytes < 200; maxBytes += 1) {
      const cut = cutText(text, maxBytes);
      expect(cut.isWellFormed()).toBe(true);
      expect(cut).not.toContain('\uFFFD');
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxBytes);
    }
  });

  it('replaces half a surrogate pair, which no JSON reader has to take', () => {
    expect(cutText('a\uD800b', 100)).toBe('a\uFFFDb');
  });
});
