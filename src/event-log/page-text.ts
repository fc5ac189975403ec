import type { LogEntry } from './event-log.js';
import type { RunEventType } from './run-event.js';

/**
 * How a page stands in a store: one line an event, its type, a tab, its data. JSON text has neither a tab
 * nor a line feed of its own, so nothing is escaped and every byte of the data comes back as it was.
 */
export function formatPage(entries: readonly LogEntry[]): string {
  return entries.map((entry) => `${entry.type}\t${entry.data}`).join('\n');
}

export function parsePage(text: string): LogEntry[] {
  return text.split('\n').map((line) => {
    const tab = line.indexOf('\t');
    return { type: line.slice(0, tab) as RunEventType, data: line.slice(tab + 1) };
  });
}
