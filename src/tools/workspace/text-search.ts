import { RE2JS } from 're2js';
import { ToolError } from '../tool-error.js';
import type { WorkTime } from './work-time.js';

export interface SearchOptions {
  pattern: string;
  ignoreCase: boolean;
  /** A match may go over several lines, and `.` over their ends. */
  multiline: boolean;
}

export interface TextMatch {
  /** From 1 on. */
  line: number;
  /** The line, or the lines, of the match; a long one is cut around it. */
  text: string;
}

const MAX_PATTERN_LENGTH = 1000;
/** Steps of a compiled pattern: each costs some time for every character. */
const MAX_PROGRAM = 500;
/** Steps times characters that are looked at in one go: about 5 ms. */
const WORK = 150_000;
const MAX_PIECE = 20_000;
const SHOWN_LENGTH = 500;

/**
 * Searches texts for an RE2 pattern: linear in the text, without back references and look-around. A line (with
 * `multiline`: a text) that is longer than one piece is looked at in pieces that overlap by half, so a match may be
 * half a piece long, 150 characters at least.
 */
export class TextSearch {
  private readonly regex: RE2JS;
  private readonly piece: number;

  /** @throws ToolError for a pattern that RE2 does not take, or that is too large. */
  constructor(private readonly options: SearchOptions) {
    this.regex = compile(options);
    this.piece = Math.min(MAX_PIECE, Math.floor(WORK / this.regex.programSize()));
  }

  /** Matches in order, one a line. Others have their turn in between; ends early when the time is up. */
  async *matches(text: string, time: WorkTime): AsyncGenerator<TextMatch> {
    if (this.options.multiline) {
      yield* this.acrossLines(text, time);
      return;
    }
    let line = 0;
    for (let start = 0; start <= text.length;) {
      const end = indexOr(text, '\n', start);
      line += 1;
      await time.pause();
      if (time.isUp) return;
      const found = await this.find(text, start, end, time);
      if (found !== undefined) yield { line, text: cutAround(text, start, end, found) };
      start = end + 1;
    }
  }

  private async *acrossLines(text: string, time: WorkTime): AsyncGenerator<TextMatch> {
    let line = 1;
    let counted = 0;
    for (let start = 0; start < text.length;) {
      const found = await this.find(text, start, text.length, time);
      if (found === undefined || time.isUp) return;
      for (let at = indexOr(text, '\n', counted); at < found.start; at = indexOr(text, '\n', counted)) {
        line += 1;
        counted = at + 1;
        if (line % 4096 === 0) await time.pause();
      }
      const from = text.lastIndexOf('\n', found.start - 1) + 1;
      const to = indexOr(text, '\n', Math.max(found.end - 1, found.start));
      yield { line, text: cutAround(text, Math.min(from, found.start), to, found) };
      start = to + 1;
    }
  }

  /** The first match between two places of a text. */
  private async find(
    text: string,
    start: number,
    end: number,
    time: WorkTime,
  ): Promise<{ start: number; end: number } | undefined> {
    for (let from = start; from === start || from < end; from += Math.ceil(this.piece / 2)) {
      const matcher = this.regex.matcher(text.slice(from, Math.min(end, from + this.piece)));
      if (matcher.find()) return { start: from + matcher.start(), end: from + matcher.end() };
      if (from + this.piece >= end) return undefined;
      await time.pause();
      if (time.isUp) return undefined;
    }
    return undefined;
  }
}

function compile({ pattern, ignoreCase, multiline }: SearchOptions): RE2JS {
  if (pattern.length > MAX_PATTERN_LENGTH)
    throw new ToolError(`A pattern has ${MAX_PATTERN_LENGTH} characters at most.`);
  const flags = (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (multiline ? RE2JS.MULTILINE | RE2JS.DOTALL : 0);
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern, flags);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it cannot be read';
    throw new ToolError(
      `The pattern is not one of RE2 (no back references, no look-around): ${why.slice(0, 200)}`,
      { cause },
    );
  }
  if (regex.programSize() > MAX_PROGRAM)
    throw new ToolError('The pattern is too large: use fewer or smaller repetitions.');
  return regex;
}

function indexOr(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from);
  return index === -1 ? text.length : index;
}

function cutAround(text: string, start: number, end: number, found: { start: number }): string {
  if (end - start <= SHOWN_LENGTH) return text.slice(start, end);
  const from = Math.max(start, Math.min(found.start - 100, end - SHOWN_LENGTH));
  const to = Math.min(end, from + SHOWN_LENGTH);
  return `${from > start ? '…' : ''}${text.slice(from, to)}${to < end ? '…' : ''}`.toWellFormed();
}
