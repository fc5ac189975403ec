import type { LogEnd, LogPage } from '../event-log.js';
import type { RunEventType } from '../run-event.js';
import { type Continuation, endOf, type LogPlace } from '../log-store.js';
import type { Waiter } from './waiter.js';
import { joinPages, lastSeq, pageAfter, pageSize } from '../log-page.js';

/** Characters of recent events kept in memory for all viewers of a run together. */
const KEEP = 262_144;
/**
 * A commit has few events of a run, and each page is several objects: of those that are not the newest so many are
 * made one, before the garbage collector has moved them to where it looks seldom.
 */
const JOIN = 32;
/** Characters of a page that was joined. */
const JOINED_SIZE = 8_192;
/** For so long after a commit or a look the owner's memory speaks for the store, in milliseconds. */
const CURRENT_MS = 2_000;

/** The recent events of one run, shared by all who watch it here, and the bell that tells them of new ones. */
export class RunTail {
  /** Grows with every change: a reader that finds nothing waits until it is another. */
  version = 0;
  /** Grows when the log turns out to be another than what was read here. */
  epoch = 0;
  isRemoved = false;
  /** Readers here. */
  watchers = 0;
  /** Pages from this `seq` on are durable, but not to be shown yet. */
  hiddenFrom = Infinity;
  private readonly pages: LogPage[] = [];
  private size = 0;
  /** What somebody was given last of a page. */
  private part: { page: LogPage; after: number; rest: LogPage } | undefined;
  /** Pages at the end that nobody has tried to join. */
  private newest = 0;
  /** The place before the first page, and after the last; without them nothing is known of the log. */
  private start: LogPlace | undefined;
  private last: LogPlace | undefined;
  /** The last page was read from the store, which may have more after it. */
  private isPiece = false;
  private waiting = new Set<Waiter>();
  /** The attempt that is written here. */
  private owner: number | undefined;
  private beginning: LogEnd | undefined;
  private confirmedAt = -Infinity;

  /** Where what is known ends; undefined while nothing is known. */
  get end(): LogPlace | undefined {
    return this.last;
  }

  /** Whether an attempt is written here whose writer has not been refused. */
  get isOwned(): boolean {
    return this.owner !== undefined;
  }

  /** Whether what memory has as the last event surely is the last of the store. */
  get isCurrent(): boolean {
    return this.isOwned && this.isSeen && this.hiddenFrom === Infinity;
  }

  /**
   * Whether memory has all of a log that ends with `done`, as the store did a moment ago: nobody writes after it, so
   * who comes back to a run that is over need not ask the store again. With a part of it memory could not answer for
   * a store that has just forgotten the rest.
   */
  get isFinal(): boolean {
    const isWhole = this.start?.seq === 0 && this.hiddenFrom === Infinity;
    return isWhole && this.isSeen && this.endEvent?.type === 'done';
  }

  private get isSeen(): boolean {
    return performance.now() - this.confirmedAt < CURRENT_MS;
  }

  /** The last event, of a log that is current. */
  get endEvent(): LogEnd | undefined {
    return endOf(this.pages.slice(-1)) ?? this.beginning;
  }

  /** From here on the log is written on this node, after `end`. */
  own(attempt: number, end: LogEnd | undefined): void {
    const place = { seq: end?.seq ?? 0, attempt: end?.attempt };
    const known = this.last;
    if (known?.attempt !== undefined && known.attempt > attempt) return;
    if (known !== undefined && known.seq > place.seq) this.lost();
    this.learn(place, []);
    this.owner = attempt;
    this.beginning = end;
    this.confirm();
  }

  disown(attempt: number): void {
    if (this.owner === attempt) this.owner = undefined;
  }

  /** The store has been seen to end where memory ends. */
  confirm(): void {
    this.confirmedAt = performance.now();
  }

  /**
   * Takes what was read after a place of the log, or committed. What is known already is passed over; what
   * does not join leaves a gap, so what was here is forgotten; a newer attempt at the same place means that the
   * log is another.
   */
  learn(place: LogPlace, pages: readonly LogPage[]): void {
    const known = place.attempt === undefined ? undefined : this.knows(place.seq)?.attempt;
    if (known !== undefined && place.attempt !== undefined) {
      if (place.attempt < known) return;
      if (place.attempt > known) this.lost();
    }
    const end = this.last;
    if (end === undefined || place.seq > end.seq) {
      // Who writes here knows the end better than a read that may have begun before.
      if (end !== undefined && this.isOwned) return;
      this.clear(place);
      if (end !== undefined) this.ring();
    }
    this.push(pages);
    const lastRead = pages.at(-1);
    const readTo = lastRead === undefined ? place.seq : lastSeq(lastRead);
    if (this.last?.seq === readTo) this.isPiece = lastRead !== undefined;
  }

  /** Adds committed events and wakes everybody who waits. */
  push(pages: readonly LogPage[]): void {
    let isNews = false;
    for (const page of pages) isNews = this.add(page) || isNews;
    if (!isNews) return;
    if (this.size > KEEP * 1.125) this.forget();
    this.ring();
  }

  /** The log is not the one that was read here: nothing of it is kept, and readers are told. */
  lost(): void {
    this.epoch += 1;
    this.owner = undefined;
    this.beginning = undefined;
    this.clear(undefined);
    this.ring();
  }

  /** The run is gone, and who waits for it goes. */
  drop(): void {
    this.isRemoved = true;
    this.clear(undefined);
    this.ring();
  }

  /** Tells the waiting that the store may have more. */
  ring(): void {
    this.version += 1;
    const woken = this.waiting;
    this.waiting = new Set();
    for (const waiter of woken) waiter.wake();
  }

  /** Events after a place up to about `size` characters, one page at least; undefined when memory cannot tell. */
  after(place: LogPlace, size: number): Continuation | undefined {
    const known = this.knows(place.seq);
    if (known === undefined) return undefined;
    if (place.attempt !== undefined && known.attempt !== place.attempt) return undefined;
    const pages: LogPage[] = [];
    let taken = 0;
    for (let index = this.firstIndexAfter(place.seq); index < this.pages.length && taken < size; index += 1) {
      const page = this.pages[index];
      if (page === undefined || page.firstSeq >= this.hiddenFrom) break;
      pages.push(page.firstSeq > place.seq ? page : this.partOf(page, place.seq));
      taken += pageSize(page);
    }
    if (pages.length === 0 && this.isPiece) return undefined;
    return { attempt: known.attempt, pages };
  }

  /** The same part for all who come back to one place, since frames are made once a page. */
  private partOf(page: LogPage, after: number): LogPage {
    if (this.part?.page !== page || this.part.after !== after) {
      this.part = { page, after, rest: pageAfter(page, after) };
    }
    return this.part.rest;
  }

  /** The event with this `seq`, when memory reaches to it: its attempt, where known. */
  knows(seq: number): { attempt: number | undefined } | undefined {
    if (this.start === undefined || this.last === undefined) return undefined;
    if (seq < this.start.seq || seq > this.last.seq) return undefined;
    if (seq === this.start.seq) {
      return seq > 0 && this.start.attempt === undefined ? undefined : { attempt: this.start.attempt };
    }
    const page = this.pages[this.firstIndexAfter(seq - 1)];
    return page === undefined ? undefined : { attempt: page.attempt };
  }

  /** What kind of event this is; undefined when memory cannot tell. */
  typeAt(attempt: number, seq: number): RunEventType | undefined {
    const page = this.pages[this.firstIndexAfter(seq - 1)];
    if (page?.attempt !== attempt || seq >= this.hiddenFrom) return undefined;
    return page.entries[seq - page.firstSeq]?.type;
  }

  /** Waits until `version` is not the given one any more, `waiter` is woken otherwise or `timeoutMs` has passed. */
  changed(version: number, waiter: Waiter, timeoutMs?: number): Promise<void> {
    if (this.version !== version) return Promise.resolve();
    this.waiting.add(waiter);
    return waiter.wait(timeoutMs);
  }

  /** Who waited goes: a tail to which nothing comes must not keep all who ever did. */
  leave(waiter: Waiter): void {
    this.waiting.delete(waiter);
  }

  private add(page: LogPage): boolean {
    const end = this.last;
    const isNewer = end?.attempt !== undefined && page.attempt > end.attempt;
    // A newer attempt goes on after what was written: where it does not, the log was begun anew.
    if (end !== undefined && isNewer && page.firstSeq <= end.seq) this.lost();
    const known = this.last?.seq ?? -1;
    if (lastSeq(page) <= known) return false;
    const isOlder = this.last?.attempt !== undefined && page.attempt < this.last.attempt;
    if (isOlder) return false;
    if (this.last === undefined || page.firstSeq > known + 1) this.clear({ seq: page.firstSeq - 1 });
    const fresh = pageAfter(page, this.last?.seq ?? 0);
    this.isPiece = false;
    this.pages.push(fresh);
    if (this.owner !== undefined && this.owner < fresh.attempt) this.owner = undefined;
    this.size += pageSize(fresh);
    this.last = { seq: lastSeq(fresh), attempt: fresh.attempt };
    this.newest += 1;
    if (this.newest >= 2 * JOIN) this.join();
    return true;
  }

  /** A page that is hidden stays by itself. */
  private join(): void {
    const from = this.pages.length - this.newest;
    this.newest -= JOIN;
    const joined = joinPages(this.pages.slice(from, from + JOIN), JOINED_SIZE);
    if (joined !== undefined && lastSeq(joined) < this.hiddenFrom) this.pages.splice(from, JOIN, joined);
  }

  private clear(place: LogPlace | undefined): void {
    this.isPiece = false;
    this.pages.length = 0;
    this.size = 0;
    this.newest = 0;
    this.part = undefined;
    this.start = place;
    this.last = place;
  }

  /** Many pages at a time: taking them from the front one by one would move all that stay each time. */
  private forget(): void {
    let count = 0;
    for (const page of this.pages.slice(0, -1)) {
      if (this.size <= KEEP) break;
      this.size -= pageSize(page);
      this.start = { seq: lastSeq(page), attempt: page.attempt };
      count += 1;
    }
    this.pages.splice(0, count);
    this.newest = Math.min(this.newest, this.pages.length);
  }

  /** Index of the first page that holds events after `seq`; binary search, since a tail can be long. */
  private firstIndexAfter(seq: number): number {
    let low = 0;
    let high = this.pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const page = this.pages[middle];
      if (page !== undefined && lastSeq(page) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
