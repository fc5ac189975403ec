import type { InProcess, Statements } from '../../database/database.js';
import { hasCode } from '../../errors/app-error.js';
import type { LogEnd, LogPage } from '../event-log.js';
import { pageAfter } from '../log-page.js';
import { type Continuation, type LogPlace, type PageOutcome, writerKey } from '../log-store.js';
import {
  formatCommit,
  join,
  lastType,
  type PageText,
  parseCommit,
  sizeOf,
  toPageOf,
  toText,
} from './journal-text.js';

/** Characters of one run that are kept out of its pages; what is more becomes a page at once. */
const KEEP_A_RUN = 8_192;
/** Characters, and commits, after which all that is kept becomes pages. */
const KEEP = 1_048_576;
const COMMITS = 2_048;
/** The same when nothing has come for so long, in milliseconds. */
const IDLE_MS = 1_000;

const ATTEMPT = 'select attempt from runs where id = ?';
const ADD = 'insert into run_journal (pages) values (?)';
const READ = 'select pages from run_journal order by id';
const CLEAR = 'delete from run_journal';
const FIND = 'select id, pages from run_journal where instr(pages, ?) > 0';
const PUT = 'insert into run_journal (id, pages) values (?, ?)';
const DROP = 'delete from run_journal where id = ?';
const LAST = 'select max(last_seq) as seq from run_pages where run_id = ?';
const KEEP_PAGE = `insert into run_pages (run_id, first_seq, last_seq, attempt, size, events)
  values (?, ?, ?, ?, ?, ?) on conflict (run_id, first_seq) do nothing`;

/**
 * What runs have just said, before it becomes pages of theirs. A commit is one row at the end of one table, whatever
 * the number of runs; a row for each run and word would dirty a page of an index each. Memory has the same, and makes
 * few large pages of it. What is in the table when a process dies becomes pages at the next start.
 */
export class PageJournal {
  /** By run, in order: what the table has and `run_pages` has not. */
  private readonly kept = new Map<string, PageText[]>();
  private size = 0;
  private commits = 0;
  private opened: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly engine: InProcess) {}

  /**
   * Makes pages of what an earlier process has left. Without space for them it stays in the table and is kept in
   * memory, as if this process had written it: what was said can be read on a full disk too.
   */
  open(): Promise<void> {
    return (this.opened ??= this.recover().catch((error: unknown) => {
      this.opened = undefined;
      this.forgetAll();
      throw error;
    }));
  }

  /** As `LogStore.insert`. Each page is written only where its attempt is still the run's. */
  async insert(pages: readonly LogPage[]): Promise<Map<string, PageOutcome>> {
    await this.open();
    const written = await this.engine.transaction(
      (statements) => this.write(pages, statements),
      (done) => this.remember(done),
    );
    return written.outcomes;
  }

  /** Makes pages of what is kept of these runs, so that it is found there. */
  async settleRuns(runIds: readonly string[]): Promise<void> {
    await this.open();
    const due = runIds.filter((runId) => this.kept.has(runId));
    if (due.length === 0) return;
    await this.engine.transaction(
      (statements) => due.forEach((runId) => keepPages(this.kept.get(runId) ?? [], statements)),
      () => due.forEach((runId) => this.forget(runId)),
    );
  }

  /** Makes pages of all that is kept; nothing of it is told again at a start. */
  async settle(): Promise<void> {
    await this.open();
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.settleAll();
  }

  /** Takes back what is kept of a run. Nothing is made of the others: it takes no more space than there was before. */
  async remove(runId: string): Promise<void> {
    await this.open();
    if (this.commits === 0) return;
    await this.engine.transaction(
      (statements) => strike(runId, statements),
      () => this.forget(runId),
    );
  }

  /** The last event of a run, where it is kept here. */
  end(runId: string): LogEnd | undefined {
    const last = this.kept.get(runId)?.at(-1);
    return last && { attempt: last.attempt, seq: last.lastSeq, type: lastType(last) };
  }

  /** Whether the run has this event, where that is kept here; undefined: its pages tell. */
  has(runId: string, attempt: number, seq: number): boolean | undefined {
    const texts = this.kept.get(runId) ?? [];
    const at = texts.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq);
    return at && at.attempt === attempt;
  }

  /** The newest pages of a run up to `size` characters, where so many are kept here. */
  recent(runId: string, size: number): LogPage[] | undefined {
    const texts = this.kept.get(runId) ?? [];
    let taken = 0;
    let from = texts.length;
    while (from > 0 && taken < size) taken += texts[(from -= 1)]?.events.length ?? 0;
    const isAll = texts[from]?.firstSeq === 1;
    return taken >= size || isAll ? texts.slice(from).map(toPageOf) : undefined;
  }

  /** What follows a place of a run, where all of that is kept here, the event at the place too; else undefined. */
  after(runId: string, { seq, attempt }: LogPlace): Continuation | undefined {
    const texts = this.kept.get(runId) ?? [];
    if (seq === 0) {
      return texts[0]?.firstSeq === 1 ? { attempt: undefined, pages: texts.map(toPageOf) } : undefined;
    }
    const at = texts.find((text) => text.firstSeq <= seq && seq <= text.lastSeq);
    if (at === undefined || (attempt !== undefined && attempt !== at.attempt)) return undefined;
    const following = texts.filter((text) => text.lastSeq > seq);
    return { attempt: at.attempt, pages: following.map((text) => pageAfter(toPageOf(text), seq)) };
  }

  private write(pages: readonly LogPage[], statements: Statements): Written {
    const isDue = this.size >= KEEP || this.commits >= COMMITS;
    if (isDue) this.keepAll(statements);
    const outcomes = new Map<string, PageOutcome>();
    const byRun = new Map<string, PageText[]>();
    for (const page of pages) {
      const writer = writerKey(page);
      const outcome = outcomes.get(writer) ?? outcomeOf(page, statements);
      outcomes.set(writer, outcome);
      if (outcome !== 'accepted') continue;
      const own = byRun.get(page.runId);
      if (own === undefined) byRun.set(page.runId, [toText(page)]);
      else own.push(toText(page));
    }
    const full: string[] = [];
    const added: PageText[] = [];
    for (const [runId, texts] of byRun) {
      const before = isDue ? [] : (this.kept.get(runId) ?? []);
      if (sizeOf(before) + sizeOf(texts) < KEEP_A_RUN) added.push(...texts);
      else {
        keepPages([...before, ...texts], statements);
        full.push(runId);
      }
    }
    if (added.length > 0) statements.run(ADD, formatCommit(added));
    return { outcomes, isDue, full, added };
  }

  /** What is written is known before anything else can look. */
  private remember({ isDue, full, added }: Written): void {
    if (isDue) this.forgetAll();
    for (const runId of full) this.forget(runId);
    for (const text of added) this.keep(text);
    this.commits += 1;
    this.timer ??= setTimeout(() => this.settleLater(), IDLE_MS).unref();
    this.timer.refresh();
  }

  /** Should it fail, the next one does it. */
  private settleLater(): void {
    this.settle().catch(() => undefined);
  }

  private async recover(): Promise<void> {
    await this.engine.transaction((statements) => this.readAll(statements));
    try {
      await this.settleAll();
    } catch (error) {
      if (!hasCode(error, 'storage_full')) throw error;
    }
  }

  private readAll(statements: Statements): void {
    const ends = new Map<string, number>();
    for (const { pages } of statements.all(READ) as { pages: string }[]) {
      for (const text of parseCommit(pages)) {
        const { runId } = text;
        const end = ends.get(runId) ?? storedEnd(runId, statements);
        ends.set(runId, Math.max(end, text.lastSeq));
        // A run's pages come in order: what is not after its end is there, or the run is gone.
        if (text.firstSeq > end) this.keep(text);
      }
      this.commits += 1;
    }
  }

  private async settleAll(): Promise<void> {
    if (this.commits === 0) return;
    await this.engine.transaction(
      (statements) => this.keepAll(statements),
      () => this.forgetAll(),
    );
  }

  private keepAll(statements: Statements): void {
    for (const texts of this.kept.values()) keepPages(texts, statements);
    statements.run(CLEAR);
  }

  private keep(text: PageText): void {
    const texts = this.kept.get(text.runId) ?? [];
    this.kept.set(text.runId, texts);
    const last = texts.at(-1);
    const isJoined = last !== undefined && join(last, text);
    if (!isJoined) texts.push(text);
    this.size += text.events.length + (isJoined ? 1 : 0);
  }

  private forget(runId: string): void {
    this.size -= sizeOf(this.kept.get(runId) ?? []);
    this.kept.delete(runId);
  }

  private forgetAll(): void {
    this.kept.clear();
    this.size = 0;
    this.commits = 0;
  }
}

interface Written {
  outcomes: Map<string, PageOutcome>;
  /** All that was kept before has become pages. */
  isDue: boolean;
  /** Runs of which nothing is kept any more. */
  full: string[];
  added: PageText[];
}

function outcomeOf({ runId, attempt }: LogPage, statements: Statements): PageOutcome {
  const run = statements.get(ATTEMPT, runId) as { attempt: number } | undefined;
  return run?.attempt === attempt ? 'accepted' : 'fenced';
}

/** Where the pages of a run end; a run that is gone has no place for others. */
function storedEnd(runId: string, statements: Statements): number {
  if (statements.get(ATTEMPT, runId) === undefined) return Infinity;
  return (statements.get(LAST, runId) as { seq: number | null }).seq ?? 0;
}

/** Takes the pages of a run out of the table, which are told again at a start otherwise. */
function strike(runId: string, statements: Statements): void {
  for (const { id, pages } of statements.all(FIND, runId) as { id: number; pages: string }[]) {
    const others = parseCommit(pages).filter((text) => text.runId !== runId);
    // In this order: what is written takes the place of what is gone.
    statements.run(DROP, id);
    if (others.length > 0) statements.run(PUT, id, formatCommit(others));
  }
}

function keepPages(texts: readonly PageText[], statements: Statements): void {
  for (const { runId, attempt, firstSeq, lastSeq, events } of texts) {
    statements.run(KEEP_PAGE, runId, firstSeq, lastSeq, attempt, events.length, events);
  }
}
