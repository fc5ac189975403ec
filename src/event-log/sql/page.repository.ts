import { sql, type RawBuilder } from 'kysely';
import type { Database } from '../../database/database.js';
import type { LogEnd, LogPage } from '../event-log.js';
import { pageAfter } from '../log-page.js';
import { formatPage, parsePage } from './page-text.js';

/** Pages looked at to find where one read ends. */
const LOOK_AHEAD = 512;

interface PageRow {
  first_seq: number;
  attempt: number;
  events: string;
}

/** The only SQL about the event log. */
export class PageRepository {
  constructor(private readonly database: Database) {}

  /**
   * Writes pages of any number of runs in one statement, each only where its attempt is still the run's.
   * The run's row stays locked until the commit, so a claim comes either before or after all of it.
   * @returns `<run_id>.<attempt>` of those whose pages were accepted.
   */
  async insert(pages: readonly LogPage[]): Promise<Set<string>> {
    const rows = sql.join(pages.map(toRow));
    const { rows: accepted } = await sql<{ run_id: string; attempt: number }>`
      with v (run_id, first_seq, last_seq, attempt, size, events) as (values ${rows})
      insert into run_pages (run_id, first_seq, last_seq, attempt, size, events)
      select v.run_id, v.first_seq, v.last_seq, v.attempt, v.size, v.events
      from v join runs r on r.id = v.run_id and r.attempt = v.attempt
      where true ${this.database.shareLock}
      returning run_id, attempt`.execute(this.database.kysely);
    return new Set(accepted.map((row) => `${row.run_id}.${row.attempt}`));
  }

  /** Events after `after` in pages, oldest first: as many pages as fit into `size`, one at least. */
  async read(runId: string, after: number, size: number): Promise<LogPage[]> {
    const { rows } = await sql<PageRow>`
      select first_seq, attempt, events from run_pages
      where run_id = ${runId} and last_seq > ${after} and first_seq <= (
        select max(first_seq) from (
          select first_seq, sum(size) over (order by first_seq) - size as before from (
            select first_seq, size from run_pages
            where run_id = ${runId} and last_seq > ${after} order by first_seq limit ${LOOK_AHEAD}
          ) as ahead
        ) as sized where before < ${size}
      ) order by first_seq`.execute(this.database.kysely);
    return rows.map((row) => pageAfter(toPage(runId, row), after));
  }

  async end(runId: string): Promise<LogEnd | undefined> {
    const row = await this.database.kysely
      .selectFrom('run_pages')
      .select(['first_seq', 'attempt', 'events'])
      .where('run_id', '=', runId)
      .orderBy('first_seq', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const page = toPage(runId, row);
    const last = page.entries.at(-1);
    if (last === undefined) return undefined;
    return { attempt: page.attempt, seq: page.firstSeq + page.entries.length - 1, type: last.type };
  }

  async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const row = await this.database.kysely
      .selectFrom('run_pages')
      .select('first_seq')
      .where('run_id', '=', runId)
      .where('attempt', '=', attempt)
      .where('first_seq', '<=', seq)
      .where('last_seq', '>=', seq)
      .executeTakeFirst();
    return row !== undefined;
  }

  async delete(runId: string): Promise<void> {
    await this.database.kysely.deleteFrom('run_pages').where('run_id', '=', runId).execute();
  }
}

function toRow(page: LogPage): RawBuilder<unknown> {
  const events = formatPage(page.entries);
  const lastSeq = page.firstSeq + page.entries.length - 1;
  return sql`(cast(${page.runId} as text), cast(${page.firstSeq} as integer), cast(${lastSeq} as integer),
    cast(${page.attempt} as integer), cast(${events.length} as integer), cast(${events} as text))`;
}

function toPage(runId: string, row: PageRow): LogPage {
  return { runId, attempt: row.attempt, firstSeq: row.first_seq, entries: parsePage(row.events) };
}
