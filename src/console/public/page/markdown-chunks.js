/** Characters. From the first on a piece ends at the next line that may begin one; above the second it is not Markdown. */
const LONG = 8_000;
const TOO_LONG = 16_000;

/** Until a line is so long, or over, it may still become the marker of a list or a fence. */
const TELLING = 12;

/** https://spec.commonmark.org/0.31.2/#fenced-code-blocks, at the edge: what is indented may belong to a list. */
const FENCE = /^(`{3,99}(?=[^`]*$)|~{3,99}(?!~))(.*)/;
const LIST_MARKER = /^(?:[-*+]|\d{1,9}[.)])[ \t]/;

/**
 * The first piece of a growing Markdown text from `start` on. A piece ends where a block certainly does (a line at
 * the edge after a blank one), so what stands before it is never read again: a long answer costs its length
 * once, and a piece that a parser could choke on is small.
 * @param {boolean} isWhole nothing follows
 * @returns {{kind: 'prose' | 'plain' | 'code', text: string, language: string, end: number, closed: boolean} | null}
 *   `closed`: no text that follows changes it; null: nothing but blanks
 */
export function firstChunk(text, start, isWhole) {
  const begin = afterBlankLines(text, start);
  if (begin === text.length) return null;
  const fence = FENCE.exec(lineAt(text, begin));
  return fence ? codeChunk(text, begin, fence, isWhole) : proseChunk(text, begin, isWhole);
}

function codeChunk(text, begin, [opening, marks, info], isWhole) {
  const from = Math.min(begin + opening.length + 1, text.length);
  const closing = new RegExp(`^ {0,3}${marks[0]}{${marks.length},}[ \\t\\r]*$`, 'gm');
  closing.lastIndex = from;
  const close = closing.exec(text);
  const end = close ? close.index + close[0].length : text.length;
  const code = text.slice(from, close ? close.index : end).replace(/\n$/, '');
  // A last line may still go on, and then it closes nothing.
  const closed = isWhole || (close !== null && end < text.length);
  return { kind: 'code', text: code, language: info.trim().split(/\s/)[0] ?? '', end, closed };
}

function proseChunk(text, begin, isWhole) {
  let afterBlank = false;
  let at = nextLine(text, begin);
  while (at < text.length) {
    const line = lineAt(text, at);
    const isTold = isWhole || line.length >= TELLING || at + line.length < text.length;
    if (isTold && beginsChunk(line, afterBlank, at - begin)) return prose(text, begin, at, true);
    afterBlank = line.trim() === '';
    at = nextLine(text, at);
  }
  return prose(text, begin, text.length, isWhole);
}

function beginsChunk(line, afterBlank, length) {
  if (/^\s|^$/.test(line)) return false;
  return length > LONG || FENCE.test(line) || (afterBlank && !LIST_MARKER.test(line));
}

function prose(text, begin, end, closed) {
  const kind = end - begin > TOO_LONG ? 'plain' : 'prose';
  return { kind, text: text.slice(begin, end), language: '', end, closed };
}

function afterBlankLines(text, start) {
  const blank = /(?:[ \t\r]*\n)*/y;
  blank.lastIndex = start;
  blank.test(text);
  const rest = blank.lastIndex;
  return lineAt(text, rest).trim() === '' ? text.length : rest;
}

function lineAt(text, at) {
  const end = text.indexOf('\n', at);
  return text.slice(at, end === -1 ? text.length : end);
}

function nextLine(text, at) {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}
