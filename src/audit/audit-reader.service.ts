import { setImmediate as breathe } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Outcome } from './audit-entry.js';
import type { AuditRow } from './audit-row.js';
import { type AuditFilter, type AuditOrder, type AuditPlace, AuditRepository } from './audit.repository.js';
import { Audit } from './audit.service.js';

/** Rows that are read at once, and for one answer. */
const CHUNK = 500;
const MOST_LOOKED_AT = 20_000;

interface AuditQuestion extends AuditFilter {
  action?: string | undefined;
  outcome?: Outcome | undefined;
}

export interface AuditPage {
  rows: AuditRow[];
  /** Where the next page begins; undefined after the last. */
  next: AuditPlace | undefined;
}

/** The audit for who may see it. */
@Injectable()
export class AuditReader {
  constructor(
    private readonly audit: Audit,
    private readonly repository: AuditRepository,
  ) {}

  /**
   * Newest first. Action and outcome have no index, so of many rows only so many are looked at for one answer: a page
   * may hold fewer rows than were asked for, and others follow all the same.
   */
  async page(question: AuditQuestion, after: AuditPlace | undefined, limit: number): Promise<AuditPage> {
    if (after === undefined) await this.audit.flush();
    const { action, outcome } = question;
    const isFiltered = action !== undefined || outcome !== undefined;
    const rows: AuditRow[] = [];
    let place = after;
    for (let looked = 0; looked < MOST_LOOKED_AT;) {
      const size = isFiltered ? CHUNK : limit + 1;
      const chunk = await this.repository.page(question, 'newest-first', place, size);
      looked += chunk.length;
      for (const row of chunk) {
        if (rows.length === limit) return { rows, next: place };
        place = { at: row.at, id: row.id };
        if ((action ?? row.action) === row.action && (outcome ?? row.outcome) === row.outcome) rows.push(row);
      }
      if (chunk.length < size) return { rows, next: undefined };
      await breathe();
    }
    return { rows, next: place };
  }

  /** All rows of the filter, the oldest first, a few at a time: the next are read when the last are taken. */
  async *all(filter: AuditFilter): AsyncGenerator<AuditRow[]> {
    await this.audit.flush();
    const order: AuditOrder = 'oldest-first';
    let place: AuditPlace | undefined;
    for (;;) {
      const rows = await this.repository.page(filter, order, place, CHUNK);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows;
      if (rows.length < CHUNK) return;
      place = { at: last.at, id: last.id };
    }
  }
}
