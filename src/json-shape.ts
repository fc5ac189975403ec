/** Texts, lists, objects and commas: more than any request of ours has, and each takes time to parse and check. */
const MAX_PARTS = 20_000;
const MAX_DEPTH = 64;
/** Bytes of a number or word. No number needs as many. */
const MAX_WORD = 1_000;
/** Bytes of all of them. */
const MAX_WORDS = 1_000_000;
/** Blanks between parts: enough to indent as many parts as there may be. */
const MAX_BLANKS = 65_536;
const MAX_ESCAPES = 1_000_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
/** All blanks of JSON are below or equal; nothing else that is JSON is. */
const BLANK = 0x20;
const OPENING = new Set(Buffer.from('[{'));
const CLOSING = new Set(Buffer.from(']}'));

/**
 * What is wrong with the shape of a JSON text, before anybody parses it: a few megabytes of brackets or numbers
 * would hold the process for seconds. Whether it is JSON at all is not said.
 */
export function shapeFault(text: Buffer): string | undefined {
  const seen = { escapes: 0 };
  let depth = 0;
  let parts = 0;
  let word = 0;
  let words = 0;
  let blanks = 0;
  for (let index = 0; index < text.length; index += 1) {
    const byte = text[index] ?? 0;
    if (byte <= BLANK) {
      word = 0;
      blanks += 1;
      if (blanks > MAX_BLANKS) return `The body has more than ${MAX_BLANKS} blanks between its parts.`;
      continue;
    }
    if (byte === QUOTE) index = endOfString(text, index + 1, seen);
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    else if (byte !== COMMA) {
      word += 1;
      words += 1;
      if (words > MAX_WORDS) return `The body has more than ${MAX_WORDS} digits.`;
      if (word > MAX_WORD) return `The body has a number of more than ${MAX_WORD} digits.`;
      continue;
    }
    word = 0;
    parts += 1;
    if (depth > MAX_DEPTH) return `The body is nested more than ${MAX_DEPTH} levels deep.`;
    if (parts > MAX_PARTS) return `The body has more than ${MAX_PARTS} parts.`;
    if (seen.escapes > MAX_ESCAPES) return `The body has more than ${MAX_ESCAPES} escapes in its texts.`;
  }
  return undefined;
}

/**
 * Index of the quote that ends the string which begins at `from`; the text's length when none does, and some index
 * when there are too many escapes.
 */
function endOfString(text: Buffer, from: number, seen: { escapes: number }): number {
  const quote = text.indexOf(QUOTE, from);
  if (quote < 0) return text.length;
  const escape = text.subarray(from, quote).indexOf(BACKSLASH);
  if (escape < 0) return quote;
  let index = from + escape;
  let { escapes } = seen;
  while (index < text.length && escapes <= MAX_ESCAPES) {
    const byte = text[index];
    if (byte === QUOTE) break;
    if (byte === BACKSLASH) escapes += 1;
    index += byte === BACKSLASH ? 2 : 1;
  }
  seen.escapes = escapes;
  return index;
}
