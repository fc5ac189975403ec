/** Texts, lists, objects and commas: more than any request of ours has, and each takes time to parse and check. */
const MAX_PARTS = 20_000;
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING = new Set(Buffer.from('[{'));
const CLOSING = new Set(Buffer.from(']}'));

/**
 * What is wrong with the shape of a JSON text, before anybody parses it: a few megabytes of brackets or numbers
 * would hold the process for seconds. Whether it is JSON at all is not said.
 */
export function shapeFault(text: Buffer): string | undefined {
  let depth = 0;
  let parts = 0;
  for (let index = 0; index < text.length; index += 1) {
    const byte = text[index] ?? 0;
    if (byte === QUOTE) index = endOfString(text, index + 1);
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    else if (byte !== COMMA) continue;
    parts += 1;
    if (depth > MAX_DEPTH) return `The body is nested more than ${MAX_DEPTH} levels deep.`;
    if (parts > MAX_PARTS) return `The body has more than ${MAX_PARTS} parts.`;
  }
  return undefined;
}

/** Index of the quote that ends the string which begins at `from`; the text's length when none does. */
function endOfString(text: Buffer, from: number): number {
  const quote = text.indexOf(QUOTE, from);
  if (quote < 0) return text.length;
  const escape = text.subarray(from, quote).indexOf(BACKSLASH);
  if (escape < 0) return quote;
  let index = from + escape;
  while (index < text.length && text[index] !== QUOTE) index += text[index] === BACKSLASH ? 2 : 1;
  return index;
}
