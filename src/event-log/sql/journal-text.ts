import type { LogPage } from '../event-log.js';
import { formatPage, parsePage } from '../page-text.js';
import type { RunEventType } from '../run-event.js';

/** Entries of one run and attempt that follow each other, as a row of `run_pages` has them. */
export interface PageText {
  readonly runId: string;
  readonly attempt: number;
  readonly firstSeq: number;
  lastSeq: number;
  events: string;
}

export function toText({ runId, attempt, firstSeq, entries }: LogPage): PageText {
  return { runId, attempt, firstSeq, lastSeq: firstSeq + entries.length - 1, events: formatPage(entries) };
}

export function toPageOf({ runId, attempt, firstSeq, events }: PageText): LogPage {
  return { runId, attempt, firstSeq, entries: parsePage(events) };
}

export function sizeOf(texts: readonly PageText[]): number {
  return texts.reduce((sum, { events }) => sum + events.length, 0);
}

/** Adds to a page what follows it. @returns false when it is not the next of the same attempt. */
export function join(page: PageText, next: PageText): boolean {
  if (page.attempt !== next.attempt || next.firstSeq !== page.lastSeq + 1) return false;
  page.events += `\n${next.events}`;
  page.lastSeq = next.lastSeq;
  return true;
}

/** The type of its last event. */
export function lastType({ events }: PageText): RunEventType {
  const begin = events.lastIndexOf('\n') + 1;
  return events.slice(begin, events.indexOf('\t', begin)) as RunEventType;
}

/** Before the events of each page a line with its place; neither has a line feed of its own. */
export function formatCommit(pages: readonly PageText[]): string {
  let text = '';
  for (const { runId, attempt, firstSeq, lastSeq, events } of pages) {
    text += `${runId}\t${attempt}\t${firstSeq}\t${lastSeq}\n${events}\n`;
  }
  return text;
}

export function parseCommit(text: string): PageText[] {
  const lines = text.split('\n');
  const pages: PageText[] = [];
  for (let at = 0; at < lines.length - 1;) {
    const [runId = '', attempt, first, last] = (lines[at] ?? '').split('\t');
    const [firstSeq, lastSeq] = [Number(first), Number(last)];
    const after = at + 2 + lastSeq - firstSeq;
    const events = lines.slice(at + 1, after).join('\n');
    pages.push({ runId, attempt: Number(attempt), firstSeq, lastSeq, events });
    at = after;
  }
  return pages;
}
