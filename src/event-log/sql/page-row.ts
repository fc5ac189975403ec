import { type RawBuilder, sql } from 'kysely';
import type { LogPage } from '../event-log.js';
import { lastSeq } from '../log-page.js';
import { formatPage, parsePage } from '../page-text.js';

/** What is read of a page. */
export interface PageRow {
  first_seq: number;
  attempt: number;
  events: string;
}

/** Names one page, whatever it holds. */
export function pageKey(runId: string, attempt: number, firstSeq: number): string {
  return `${runId}.${attempt}.${firstSeq}`;
}

/** A row for `values`: run, first and last seq, attempt, size, events. */
export function toRow(page: LogPage): RawBuilder<unknown> {
  const events = formatPage(page.entries);
  return sql`(cast(${page.runId} as text), cast(${page.firstSeq} as integer), cast(${lastSeq(page)} as integer),
    cast(${page.attempt} as integer), cast(${events.length} as integer), cast(${events} as text))`;
}

export function toPage(runId: string, row: PageRow): LogPage {
  return { runId, attempt: row.attempt, firstSeq: row.first_seq, entries: parsePage(row.events) };
}

/** A column `p.…` of the last page of the run `v.run_id`. */
export function lastOf(column: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(select ${column} from run_pages p where p.run_id = v.run_id order by p.first_seq desc limit 1)`;
}
