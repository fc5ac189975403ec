import { networkOf } from '../telemetry/client-address.js';
import type { NewAuditRow } from './audit-row.js';

const WINDOW_MS = 60_000;
/** Kinds of repeated calls of one minute that are told apart by who and from where; all others only by what. */
const MOST_APART = 1_000;
/** Accounts that one caller tries to open in a minute and that are told apart. */
const MOST_ACCOUNTS = 20;

interface Window {
  /** Milliseconds of the clock. */
  until: number;
  /** The calls since the first, as one row. */
  rest: NewAuditRow | undefined;
  accounts: number;
}

/**
 * Makes a flood of equal calls two rows a minute: the first at once, and, when the minute is over, one that counts
 * the rest. However many come, from however many places, what is written is bounded.
 */
export class Repeats {
  private readonly windows = new Map<string, Window>();

  /** @param now milliseconds of a clock that only grows. */
  constructor(private readonly now: () => number) {}

  /** @returns the row that is to be written now, if any. */
  admit(row: NewAuditRow): NewAuditRow | undefined {
    const caller = keyOf(row);
    if (row.account !== null) {
      const key = `${caller}\n${row.account}`;
      if (this.windows.has(key)) return this.count(key, row);
      const window = this.windows.get(caller);
      const accounts = window?.accounts ?? 0;
      if (accounts < MOST_ACCOUNTS && this.windows.size < MOST_APART) {
        if (window === undefined) this.open(caller, 1);
        else window.accounts += 1;
        return this.count(key, row);
      }
    }
    if (this.windows.has(caller) || this.windows.size < MOST_APART) return this.count(caller, ofAny(row));
    const { action, outcome, code } = row;
    const crowd = { ...ofAny(row), tenantId: null, actorId: null, actorVia: null, keyId: null, target: null };
    return this.count([action, outcome, code].join('\n'), { ...crowd, remoteAddress: null, userAgent: null });
  }

  /** The rests of minutes that are over, or of all. */
  take(all = false): NewAuditRow[] {
    const now = this.now();
    const rows: NewAuditRow[] = [];
    for (const [key, window] of this.windows) {
      const isOver = window.until <= now;
      if (window.rest !== undefined && (isOver || all)) {
        rows.push(window.rest);
        window.rest = undefined;
      }
      if (isOver) this.windows.delete(key);
    }
    return rows;
  }

  private count(key: string, row: NewAuditRow): NewAuditRow | undefined {
    const window = this.windows.get(key);
    if (window === undefined || (window.until <= this.now() && window.rest === undefined)) {
      this.open(key, 0);
      return row;
    }
    const count = (window.rest?.count ?? 0) + row.count;
    window.rest = { ...(window.rest ?? row), count };
    return undefined;
  }

  private open(key: string, accounts: number): void {
    this.windows.set(key, { until: this.now() + WINDOW_MS, rest: undefined, accounts });
  }
}

/** Calls of one caller: the same thing, with the same outcome, by the same user, from the same place. */
function keyOf(row: NewAuditRow): string {
  const { action, outcome, code, tenantId, actorId, remoteAddress } = row;
  return [action, outcome, code, tenantId, actorId, networkOf(remoteAddress)].join('\n');
}

/** A row that stands for sign-ins of several accounts belongs to none of them. */
function ofAny(row: NewAuditRow): NewAuditRow {
  return row.account === null ? row : { ...row, account: null, details: null };
}
