import { sql } from 'kysely';
import type { Database } from '../../database/database.js';
import { AppError } from '../../errors/app-error.js';
import type { LogEnd, LogPage } from '../event-log.js';
import { LogLost } from '../log-lost.js';
import { lastSeq, pageAfter } from '../log-page.js';
import {
  type Continuation,
  endOf,
  type LogPlace,
  type LogStore,
  type News,
  type PageOutcome,
  READ_SIZE,
  writerKey,
} from '../log-store.js';
import { lastOf, pageKey, type PageRow, toPage, toRow } from './page-row.js';

/** Pages looked at to find where one read ends. */
const LOOK_AHEAD = 512;
/** Pages that are read at once of what others have written. */
const NEWS = 500;
/** Runs in one question; a statement has a limited number of parameters. */
const RUNS_A_QUESTION = 500;

/** The SQL about the event log: pages as rows. */
export class PageRepository implements LogStore {
  constructor(private readonly database: Database) {}

  async begin(runId: string, attempt: number, leastSeq: number, isNew = false): Promise<LogEnd | undefined> {
    if (isNew) return undefined;
    const end = endOf(await this.recent(runId, 1));
    if ((end?.seq ?? 0) >= leastSeq) return end;
    await this.database.transaction(async (trx) => {
      const all = this.database.acrossTenants(trx);
      const { rows } = await sql`
        select r.id from runs r where r.id = ${runId} and r.attempt = ${attempt} ${this.database.shareLock}`.execute(
        all,
      );
      if (rows.length === 0) throw new AppError('fenced', 'Another process has taken this run over.');
      await all.deleteFrom('run_pages').where('run_id', '=', runId).execute();
    });
    return undefined;
  }

  /**
   * Writes all pages in one statement, each only where its attempt is still the run's. The run's row stays
   * locked until the commit, so a claim comes either before or after all of it. A page that is stored already
   * is passed over: a commit whose answer was lost is settled by the primary key.
   */
  async insert(pages: readonly LogPage[]): Promise<Map<string, PageOutcome>> {
    const rows = sql.join(pages.map(toRow));
    const { rows: inserted } = await sql<{ run_id: string; attempt: number; first_seq: number }>`
      with v (run_id, first_seq, last_seq, attempt, size, events) as (values ${rows})
      insert into run_pages (run_id, first_seq, last_seq, attempt, size, events)
      select v.run_id, v.first_seq, v.last_seq, v.attempt, v.size, v.events
      from v join runs r on r.id = v.run_id and r.attempt = v.attempt
      where true ${this.database.shareLock}
      on conflict (run_id, first_seq) do nothing
      returning run_id, attempt, first_seq`.execute(this.database.urgent);
    const stored = new Set(inserted.map((row) => pageKey(row.run_id, row.attempt, row.first_seq)));
    const missing = pages.filter((page) => !stored.has(pageKey(page.runId, page.attempt, page.firstSeq)));
    for (const key of await this.stored(missing)) stored.add(key);
    const outcomes = new Map<string, PageOutcome>();
    for (const page of pages) {
      const isStored = stored.has(pageKey(page.runId, page.attempt, page.firstSeq));
      if (!isStored) outcomes.set(writerKey(page), 'fenced');
      else if (!outcomes.has(writerKey(page))) outcomes.set(writerKey(page), 'accepted');
    }
    return outcomes;
  }

  async readAfter(runId: string, { seq, attempt }: LogPlace): Promise<Continuation | 'removed'> {
    const { rows } = await sql<PageRow & { last_seq: number }>`
      select * from (
        select first_seq, last_seq, attempt, '' as events from run_pages
        where run_id = ${runId} and first_seq <= ${seq} order by first_seq desc limit 1
      ) as place
      union all
      select * from (
        select first_seq, last_seq, attempt, events from run_pages
        where run_id = ${runId} and last_seq > ${seq} and first_seq <= (
          select max(first_seq) from (
            select first_seq, sum(size) over (order by first_seq) - size as before from (
              select first_seq, size from run_pages
              where run_id = ${runId} and last_seq > ${seq} order by first_seq limit ${sql.lit(LOOK_AHEAD)}
            ) as ahead
          ) as sized where before < ${READ_SIZE}
        ) order by first_seq
      ) as following`.execute(this.database.acrossTenants());
    const place = rows.find((row) => row.events === '');
    const pages = rows.filter((row) => row.events !== '').map((row) => pageAfter(toPage(runId, row), seq));
    if (seq === 0) return { attempt: undefined, pages };
    const isThere =
      place !== undefined && place.last_seq >= seq && place.attempt === (attempt ?? place.attempt);
    if (isThere) return { attempt: place.attempt, pages };
    if (rows.length === 0 && !(await this.isBegunAnew(runId, attempt ?? 0))) return 'removed';
    throw new LogLost(runId);
  }

  /** Pages after these places of runs, each run's in order; `hasMore` when there may be others. */
  async readNews(places: ReadonlyMap<string, number>): Promise<News> {
    const pages = new Map<string, LogPage[]>();
    if (places.size === 0) return { pages, hasMore: false };
    const rows = sql.join(
      [...places].map(([id, seq]) => sql`(cast(${id} as text), cast(${seq} as integer))`),
    );
    const { rows: news } = await sql<PageRow & { run_id: string }>`
      with v (run_id, seq) as (values ${rows})
      select p.run_id, p.first_seq, p.attempt, p.events
      from v join run_pages p on p.run_id = v.run_id and p.first_seq > v.seq
      order by p.run_id, p.first_seq limit ${sql.lit(NEWS)}`.execute(this.database.acrossTenants());
    for (const row of news) {
      const own = pages.get(row.run_id) ?? [];
      pages.set(row.run_id, own);
      own.push(toPage(row.run_id, row));
    }
    return { pages, hasMore: news.length === NEWS };
  }

  async recent(runId: string, size: number): Promise<LogPage[]> {
    const { rows } = await sql<PageRow>`
      select first_seq, attempt, events from (
        select first_seq, attempt, events, sum(size) over (order by first_seq desc) - size as after from (
          select first_seq, attempt, size, events from run_pages
          where run_id = ${runId} order by first_seq desc limit ${sql.lit(size === 1 ? 1 : LOOK_AHEAD)}
        ) as newest
      ) as sized where after < ${size} order by first_seq`.execute(this.database.acrossTenants());
    return rows.map((row) => toPage(runId, row));
  }

  async ends(runIds: readonly string[]): Promise<Map<string, LogPlace>> {
    const ends = new Map<string, LogPlace>();
    for (let from = 0; from < runIds.length; from += RUNS_A_QUESTION) {
      const ids = sql.join(
        runIds.slice(from, from + RUNS_A_QUESTION).map((id) => sql`(cast(${id} as text))`),
      );
      const { rows } = await sql<{ run_id: string; seq: number | null; attempt: number | null }>`
        with v (run_id) as (values ${ids})
        select v.run_id, ${lastOf(sql`p.last_seq`)} as seq, ${lastOf(sql`p.attempt`)} as attempt from v`.execute(
        this.database.acrossTenants(),
      );
      for (const { run_id, seq, attempt } of rows) {
        if (seq !== null && attempt !== null) ends.set(run_id, { seq, attempt });
      }
    }
    return ends;
  }

  async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('run_pages')
      .select('first_seq')
      .where('run_id', '=', runId)
      .where('attempt', '=', attempt)
      .where('first_seq', '<=', seq)
      .where('last_seq', '>=', seq)
      .executeTakeFirst();
    return row !== undefined;
  }

  async remove(runId: string): Promise<void> {
    await this.database.acrossTenants().deleteFrom('run_pages').where('run_id', '=', runId).execute();
  }

  /** An empty log was begun anew when the run has an attempt after the one that wrote it; else it was removed. */
  private async isBegunAnew(runId: string, attempt: number): Promise<boolean> {
    const run = await this.database
      .acrossTenants()
      .selectFrom('runs')
      .select('id')
      .where('id', '=', runId)
      .where('attempt', '>', attempt)
      .executeTakeFirst();
    return run !== undefined;
  }

  private async stored(pages: readonly LogPage[]): Promise<string[]> {
    if (pages.length === 0) return [];
    const places = sql.join(
      pages.map((page) => sql`(cast(${page.runId} as text), cast(${page.firstSeq} as integer))`),
    );
    const { rows } = await sql<{ run_id: string; attempt: number; first_seq: number; last_seq: number }>`
      select run_id, attempt, first_seq, last_seq from run_pages
      where (run_id, first_seq) in (values ${places})`.execute(this.database.acrossTenants());
    const ends = new Map(rows.map((row) => [pageKey(row.run_id, row.attempt, row.first_seq), row.last_seq]));
    return pages
      .filter((page) => ends.get(pageKey(page.runId, page.attempt, page.firstSeq)) === lastSeq(page))
      .map((page) => pageKey(page.runId, page.attempt, page.firstSeq));
  }
}
