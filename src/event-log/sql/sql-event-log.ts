import { hasCode } from '../../errors/app-error.js';
import type { Database } from '../../database/database.js';
import { StoredEventLog, type StoredLogOptions } from '../stored-event-log.js';
import { EndedRunRepository } from './ended-run.repository.js';
import { JournaledPages } from './journaled-pages.js';
import { LogSweep } from './log-sweep.js';
import { PageRepository } from './page.repository.js';

/** Where other processes write too, watched logs are looked at so often, in milliseconds: while notices arrive, and while not. */
const LOOK_MS = { live: 2_000, deaf: 250 };
/** Runs whose pages are deleted in one statement. */
const RUNS_A_PIECE = 20;

export interface SqlLogOptions extends StoredLogOptions {
  /** How long a log stays after its run has ended, in milliseconds; without it, for ever. */
  retentionMs?: number;
  /** Told when old logs could not be deleted; it is tried again. */
  onSweepError?: (error: unknown) => void;
}

/** The log as a table of the database, SQLite or PostgreSQL. */
export class SqlEventLog extends StoredEventLog {
  private readonly stopListening: () => void;
  private readonly sweep: LogSweep | undefined;
  private readonly journal: JournaledPages | undefined;

  constructor(
    private readonly database: Database,
    options: SqlLogOptions = {},
  ) {
    const pages = new PageRepository(database);
    const engine = database.exclusive ? database.inProcess : undefined;
    const journal = engine && new JournaledPages(pages, engine);
    super(journal ?? pages, options);
    this.journal = journal;
    const { retentionMs, onSweepError = () => {} } = options;
    if (retentionMs !== undefined) {
      const ended = new EndedRunRepository(database);
      this.sweep = new LogSweep(async (after) => {
        await journal?.settle();
        return ended.trim(retentionMs, after, RUNS_A_PIECE);
      }, onSweepError);
    }
    const news = this.newsOf((places) => pages.readNews(places));
    this.stopListening = database.notices.listen('log', (ids) => {
      if (ids === 'unknown') void this.look();
      else news.tell(ids);
    });
  }

  override describe(): string {
    return 'events in the database';
  }

  override async open(): Promise<void> {
    await this.journal?.open();
    this.sweep?.start();
  }

  override async close(): Promise<void> {
    this.sweep?.stop();
    this.stopListening();
    await super.close();
    await this.journal?.settle().catch((error: unknown) => {
      // Without space its rows stay as they are, for the next start.
      if (!hasCode(error, 'storage_full')) throw error;
    });
  }

  protected override announce(runId: string): void {
    this.database.notices.send('log', runId);
  }

  protected override lookAgainMs(): number | undefined {
    if (this.database.exclusive) return undefined;
    return this.database.notices.isLive ? LOOK_MS.live : LOOK_MS.deaf;
  }
}
