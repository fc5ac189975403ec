/** What the model looks at in a row of `runs`. */
export interface RunRow {
  id: string;
  session_id: string;
  number: number;
  status: string;
  attempt: number;
  owner: string | null;
  lease_until: number | null;
  cancel_requested_at: number | null;
  checkpoint_seq: number;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  error_code: string | null;
  last_event_id: string | null;
  /** `seq` of the last event in the log; null: it has none. */
  log_seq: number | null;
}

/** A page of the log as it was accepted. */
export interface PageRow {
  run_id: string;
  first_seq: number;
  last_seq: number;
  attempt: number;
  events: string;
}

/** A run as the model knows it: its row and its log. */
interface Known {
  row: RunRow;
  /** Its events as `<attempt>.<seq> <type>`, a tab, and the data. */
  log: string[];
  /** What its `done` says. */
  end: string | undefined;
  /** Who began the attempt, and alone may write. */
  writer: string | null;
  /** The log each time it was whole: once, unless the store has dropped it. */
  whole: string[][];
}

/** A write to a run: its row before and after, the node that wrote, the time, and what was known of its log. */
interface Write extends Omit<Known, 'row' | 'whole'> {
  was: RunRow;
  is: RunRow;
  by: string;
  now: number;
}

const isOver = ({ status }: RunRow): boolean => !['queued', 'running', 'waiting'].includes(status);
const isFree = ({ lease_until }: RunRow, now: number): boolean => lease_until === null || lease_until < now;

/** The page on log, lease and resume: what one write to a run may change, whoever sent it and whenever it arrives. */
const RULES: Record<string, (write: Write) => boolean> = {
  'a run that is over stays so': ({ was, is }) =>
    !isOver(was) || (is.status === was.status && is.owner === was.owner),
  'an attempt follows the one before, and belongs to who began it': ({ was, is, by }) =>
    is.attempt === was.attempt || (is.attempt === was.attempt + 1 && (is.owner === by || isOver(was))),
  'nobody takes a run that somebody holds': ({ was, is, now }) =>
    (is.attempt === was.attempt && is.owner === was.owner) || isFree(was, now) || is.owner === null,
  'a run changes hands with a new attempt, or from nobody': ({ was, is, by }) =>
    is.owner === was.owner ||
    is.attempt > was.attempt ||
    (was.owner === null ? is.owner === by : was.owner === by),
  'only who holds a run moves its lease, its checkpoint and its status': ({ was, is, by }) =>
    isOver(was) ||
    by === is.owner ||
    by === was.owner ||
    (was.lease_until === is.lease_until &&
      was.checkpoint_seq === is.checkpoint_seq &&
      was.status === is.status),
  'the checkpoint never goes back, nor beyond the log': ({ was, is, log }) =>
    is.checkpoint_seq >= was.checkpoint_seq && (is.checkpoint_seq <= log.length || isOver(was)),
  'a cancellation stands': ({ was, is }) =>
    was.cancel_requested_at === null || was.cancel_requested_at === is.cancel_requested_at,
  'a run is over when its log is': ({ was, is, end }) => isOver(was) || !isOver(is) || end === is.status,
  'a whole log is not begun anew': ({ was, is, end }) =>
    !isOver(was) || is.attempt === was.attempt || end === undefined,
  'a log is begun anew by its writer alone': ({ is, by, writer, log }) =>
    log.length === (is.log_seq ?? 0) || (is.log_seq === null && by === writer),
};

/** Follows the store write by write, and says what no history of this product may hold. */
export class OwnershipModel {
  readonly known = new Map<string, Known>();
  readonly broken: string[] = [];
  events = 0;
  takeovers = 0;

  /** One write by the node `by` has changed the store: these are all runs now, and the pages that are new. */
  observe(by: string, now: number, runs: RunRow[], pages: PageRow[]): void {
    for (const page of pages)
      this.append(
        by,
        page,
        runs.find(({ id }) => id === page.run_id),
      );
    for (const row of runs) {
      const known = this.known.get(row.id) ?? { row, log: [], end: undefined, writer: row.owner, whole: [] };
      this.known.set(row.id, known);
      const changes = changesOf(known.row, row);
      if (changes.length === 0) continue;
      for (const [rule, holds] of Object.entries(RULES))
        if (!holds({ ...known, was: known.row, is: row, by, now }))
          this.broken.push(`${rule}: ${by} made ${changes.join(', ')}`);
      if (row.attempt > known.row.attempt && !isOver(row)) this.takeovers += 1;
      const isTaken = row.attempt !== known.row.attempt || row.owner !== known.row.owner;
      if (isTaken) known.writer = isOver(row) ? by : row.owner;
      if (row.log_seq === null) this.forget(row.id);
      known.row = row;
    }
    const active = runs.filter(({ status }) => status === 'running' || status === 'waiting');
    if (new Set(active.map((run) => run.session_id)).size < active.length)
      this.broken.push('two runs of one session are active');
  }

  /** The store has dropped the log of a run. */
  forget(runId: string): void {
    const known = this.known.get(runId);
    if (known === undefined) return;
    known.log = [];
    known.end = undefined;
    known.row = { ...known.row, log_seq: null };
  }

  /** An append is accepted from who began the attempt alone, in its attempt, where the log ends, and not after its end. */
  private append(by: string, page: PageRow, row: RunRow | undefined): void {
    const known = this.known.get(page.run_id);
    const seq = known?.log.length ?? 0;
    const isNext = page.first_seq === seq + 1 && known?.end === undefined;
    const isOwners = page.attempt === row?.attempt && by === known?.writer;
    if (!isNext || !isOwners)
      this.broken.push(`${by} wrote ${JSON.stringify(page)} after ${known?.log.join(', ')}`);
    if (known === undefined) return;
    const entries = page.events.split('\n');
    known.log.push(...entries.map((entry, index) => `${page.attempt}.${page.first_seq + index} ${entry}`));
    this.events += entries.length;
    known.end = /^done\t.*"status":"(\w+)"/.exec(entries.at(-1) ?? '')?.[1];
    if (known.end !== undefined) known.whole.push([...known.log]);
  }
}

function changesOf(was: RunRow, is: RunRow): string[] {
  const changes: string[] = [];
  for (const name of Object.keys(is) as (keyof RunRow)[])
    if (was[name] !== is[name]) changes.push(`${name} ${was[name]} -> ${is[name]}`);
  return changes;
}
