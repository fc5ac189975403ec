import type { InProcess } from '../../database/database.js';
import type { LogEnd, LogPage } from '../event-log.js';
import type { Continuation, LogPlace, LogStore, PageOutcome } from '../log-store.js';
import { PageJournal } from './page-journal.js';
import type { PageRepository } from './page.repository.js';

/** One for each database, however many logs are over it. */
const journals = new WeakMap<InProcess, PageJournal>();

function journalOf(engine: InProcess): PageJournal {
  const journal = journals.get(engine) ?? new PageJournal(engine);
  journals.set(engine, journal);
  return journal;
}

/**
 * Pages behind a journal, where no other process reads them. What is kept there is told from memory, so that a full
 * disk stops no reader of it; where more is asked for, pages are made of it first.
 */
export class JournaledPages implements LogStore {
  private readonly journal: PageJournal;

  constructor(
    private readonly pages: PageRepository,
    engine: InProcess,
  ) {
    this.journal = journalOf(engine);
  }

  open(): Promise<void> {
    return this.journal.open();
  }

  /** Makes pages of all. */
  settle(): Promise<void> {
    return this.journal.settle();
  }

  async begin(runId: string, attempt: number, leastSeq: number, isNew = false): Promise<LogEnd | undefined> {
    await this.journal.open();
    const end = this.journal.end(runId);
    if (end !== undefined && end.seq >= leastSeq) return end;
    // A log that is begun anew must not get its old events back.
    if (leastSeq > 0) await this.journal.settle();
    return this.pages.begin(runId, attempt, leastSeq, isNew);
  }

  insert(pages: readonly LogPage[]): Promise<ReadonlyMap<string, PageOutcome>> {
    return this.journal.insert(pages);
  }

  async readAfter(runId: string, place: LogPlace): Promise<Continuation | 'removed'> {
    await this.journal.open();
    const kept = this.journal.after(runId, place);
    if (kept !== undefined) return kept;
    await this.journal.settleRuns([runId]);
    return this.pages.readAfter(runId, place);
  }

  async recent(runId: string, size: number): Promise<LogPage[]> {
    await this.journal.open();
    const kept = this.journal.recent(runId, size);
    if (kept !== undefined) return kept;
    await this.journal.settleRuns([runId]);
    return this.pages.recent(runId, size);
  }

  async ends(runIds: readonly string[]): Promise<ReadonlyMap<string, LogPlace>> {
    await this.journal.open();
    // In this order: what becomes pages in between is in both.
    const kept = runIds.map((runId) => [runId, this.journal.end(runId)] as const);
    const ends = new Map(await this.pages.ends(runIds));
    for (const [runId, end] of kept)
      if (end !== undefined && end.seq > (ends.get(runId)?.seq ?? 0)) ends.set(runId, end);
    return ends;
  }

  async has(runId: string, attempt: number, seq: number): Promise<boolean> {
    await this.journal.open();
    return this.journal.has(runId, attempt, seq) ?? this.pages.has(runId, attempt, seq);
  }

  async remove(runId: string): Promise<void> {
    await this.journal.remove(runId);
    await this.pages.remove(runId);
  }
}
