import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { newId } from '../database/ids.js';
import type { AuditEntry, AuditLog } from './audit-entry.js';
import { AuditQueue } from './audit-queue.js';
import type { NewAuditRow } from './audit-row.js';
import { AuditRepository } from './audit.repository.js';
import { Repeats } from './repeats.js';

const COUNTS_EVERY_MS = 5_000;
const DELETE_EVERY_MS = 3_600_000;
/** Milliseconds that storing what waits may take: when it is asked for, and at the end of the process. */
const FLUSH_MS = 1_000;
const CLOSE_MS = 3_000;

/**
 * Who did what to what. Nobody waits for it: entries are committed in groups a moment later, and wait in memory
 * while the database is away. What cannot be stored is a line of the log.
 */
@Injectable()
export class Audit implements AuditLog, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(Audit.name);
  private readonly repeats = new Repeats(() => performance.now());
  private readonly queue: AuditQueue;
  private readonly timers: NodeJS.Timeout[] = [];
  private hasEnded = false;

  constructor(private readonly repository: AuditRepository) {
    this.queue = new AuditQueue({
      insert: (rows) => repository.insert(rows),
      lose: (rows, reason) => this.lose(rows, reason),
      // When the process ends, this may be all that keeps it until the last entries are stored.
      delay: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
    });
  }

  record(entry: AuditEntry, repeatable: boolean): void {
    const row = toRow(entry);
    const admitted = repeatable ? this.repeats.admit(row) : row;
    if (admitted !== undefined) this.queue.add(admitted);
  }

  /** For who is about to read: all that this process knows is stored, unless the database is away. */
  async flush(): Promise<void> {
    this.addCounts(true);
    await this.queue.flush(FLUSH_MS);
  }

  onApplicationBootstrap(): void {
    this.timers.push(
      setInterval(() => this.addCounts(), COUNTS_EVERY_MS).unref(),
      setInterval(() => void this.deleteExpired(), DELETE_EVERY_MS).unref(),
    );
    void this.deleteExpired();
  }

  /**
   * The database must close after this. Both modules are global, and Nest ends global modules in the reverse of the
   * order in which it first met them: `DatabaseModule` stands before `AuditModule` in the list of the application.
   */
  async onApplicationShutdown(): Promise<void> {
    this.hasEnded = true;
    for (const timer of this.timers) clearInterval(timer);
    this.addCounts(true);
    await this.queue.close(CLOSE_MS);
  }

  private addCounts(all = false): void {
    for (const row of this.repeats.take(all)) this.queue.add(row);
  }

  private async deleteExpired(): Promise<void> {
    try {
      // An embedded database answers without waiting for anything: everybody else has a turn in between.
      while ((await this.repository.deleteExpired()) > 0 && !this.hasEnded) await turn();
    } catch (error) {
      this.logger.warn({ err: error }, 'Old entries could not be deleted; the next round tries again');
    }
  }

  private lose(rows: readonly NewAuditRow[], reason: unknown): void {
    for (const { happened: _, ...entry } of rows) {
      const why = reason instanceof Error ? { err: reason } : { reason };
      this.logger.warn({ audit: entry, ...why }, 'An entry of the audit is not stored: it is this line');
    }
  }
}

function toRow(entry: AuditEntry): NewAuditRow {
  const { actor, client, action, target, outcome, code, details, account } = entry;
  return {
    id: newId('aud'),
    happened: Date.now(),
    tenantId: actor?.tenantId ?? null,
    actorId: actor?.userId ?? null,
    actorVia: actor?.via ?? null,
    keyId: actor?.keyId ?? null,
    action,
    target,
    outcome,
    code,
    remoteAddress: client.address,
    userAgent: client.userAgent,
    requestId: client.requestId,
    details,
    count: 1,
    account: account ?? null,
  };
}
