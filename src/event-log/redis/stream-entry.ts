import type { LogPage } from '../event-log.js';
import type { LogPlace } from '../log-store.js';
import { parsePage } from '../page-text.js';
import { REMOVED } from './redis-scripts.js';

/** An entry as Redis gives it: id, then names and values in turn. */
export type RawEntry = [id: string, fields: string[]];

/** What an entry of a run's stream says. A fence tells where the log ended when its attempt began. */
export type StreamEntry =
  { kind: 'page'; page: LogPage } | { kind: 'fence'; end: LogPlace } | { kind: 'removed' };

const KEY = 'agentline:run:';

export function streamKey(runId: string): string {
  return KEY + runId;
}

export function runOf(key: string): string {
  return key.slice(KEY.length);
}

/** Id of the entry that ends at a place; entries after it have greater ids. */
export function idOf({ seq, attempt = 0 }: LogPlace): string {
  return seq === 0 ? '0-0' : `${attempt}-${seq}`;
}

/** Whether the first id comes after the second. */
export function isAfter(first: string, second: string): boolean {
  const [a, b] = [splitId(first), splitId(second)];
  return a.attempt > b.attempt || (a.attempt === b.attempt && a.seq > b.seq);
}

export function splitId(id: string): { attempt: number; seq: number } {
  const [attempt, seq] = id.split('-').map(Number);
  return { attempt: attempt ?? 0, seq: seq ?? 0 };
}

export function readEntry(runId: string, [id, [, first = '', , second = '']]: RawEntry): StreamEntry {
  if (id.startsWith(`${REMOVED}-`)) return { kind: 'removed' };
  if (splitId(id).seq > 0) return { kind: 'page', page: pageOf(runId, id, first, second) };
  return { kind: 'fence', end: { seq: Number(first), attempt: Number(second) || undefined } };
}

export function pageOf(runId: string, id: string, firstSeq: string, text: string): LogPage {
  return { runId, attempt: splitId(id).attempt, firstSeq: Number(firstSeq), entries: parsePage(text) };
}

/** What scripts give of pages: id, first seq and text in turn. */
export function pagesOf(runId: string, parts: readonly string[]): LogPage[] {
  const pages: LogPage[] = [];
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [id = '', firstSeq = '', text = ''] = parts.slice(at, at + 3);
    pages.push(pageOf(runId, id, firstSeq, text));
  }
  return pages;
}
