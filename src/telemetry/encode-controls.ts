/**
 * Characters that a terminal or a log viewer may obey instead of showing: DEL and the C1 controls (0x9B begins
 * an escape sequence), line and paragraph separator, and the marks that turn the direction of text.
 * The C0 controls (CR, LF, ESC) need no care here: JSON always escapes them.
 */
const UNSAFE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A line of JSON in which such characters are written as JSON escapes. It stays the same JSON value. */
export function encodeControls(line: string): string {
  return line.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * A line of JSON whose strings, once parsed and printed, show controls as `\u001b` and do not obey them.
 * Line feeds stay: they make a stack readable.
 */
export function encodeForTerminal(line: string): string {
  return encodeControls(line).replace(/\\\\|\\u[0-9a-f]{4}|\\[bfr]/g, (escape) =>
    escape === '\\\\' ? escape : `\\${escape}`,
  );
}
