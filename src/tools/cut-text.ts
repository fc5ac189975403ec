/** Room for the line that says how much is missing. */
const MARKER_BYTES = 64;

/**
 * The text when it has at most `maxBytes` bytes of UTF-8, else its head and tail with a line between them that
 * says how much was left out. Never splits a character, and holds no part of the long text alive.
 */
export function cutText(text: string, maxBytes: number): string {
  if (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes) return text.toWellFormed();
  const half = Math.max(0, Math.floor((maxBytes - MARKER_BYTES) / 2));
  const head = firstBytes(text, half);
  const tail = lastBytes(text, half);
  return `${head}\n[… ${text.length - head.length - tail.length} characters left out …]\n${tail}`;
}

/** A UTF-16 unit takes at least one byte, so `count` units are enough to look at. */
function firstBytes(text: string, count: number): string {
  const bytes = Buffer.from(text.slice(0, count));
  let end = Math.min(count, bytes.length);
  while (end > 0 && continuesCharacter(bytes[end])) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function lastBytes(text: string, count: number): string {
  const bytes = Buffer.from(text.slice(text.length - count));
  let start = Math.max(0, bytes.length - count);
  while (continuesCharacter(bytes[start])) start += 1;
  return bytes.toString('utf8', start);
}

/** Bytes 10xxxxxx follow the first byte of a character (RFC 3629 §3). */
function continuesCharacter(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
