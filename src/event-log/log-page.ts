import type { LogPage } from './event-log.js';

export function lastSeq(page: LogPage): number {
  return page.firstSeq + page.entries.length - 1;
}

/** The part of a page after `seq`; the page itself when that is all of it. */
export function pageAfter(page: LogPage, seq: number): LogPage {
  const skip = seq + 1 - page.firstSeq;
  if (skip <= 0) return page;
  return { ...page, firstSeq: page.firstSeq + skip, entries: page.entries.slice(skip) };
}

/** Characters of data, as a measure of memory. */
export function pageSize(page: LogPage): number {
  let size = 0;
  for (const entry of page.entries) size += entry.data.length;
  return size;
}

/** Pages that follow each other as one; undefined when they are of several attempts, or together too large. */
export function joinPages([first, ...others]: readonly LogPage[], most: number): LogPage | undefined {
  if (first === undefined) return undefined;
  let size = pageSize(first);
  for (const page of others) {
    size += pageSize(page);
    if (page.attempt !== first.attempt || size > most) return undefined;
  }
  return { ...first, entries: [first, ...others].flatMap(({ entries }) => entries) };
}
