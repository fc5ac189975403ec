import { Inject, Injectable } from '@nestjs/common';
import { type RawBuilder, type Selectable, sql } from 'kysely';
import { Database } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import type { Notices } from '../../database/notices.js';
import type { RunsTable } from '../../database/schema.js';
import type { Run } from '../run.js';
import { toRun } from '../run.repository.js';
import { runsConfig, type RunsConfig } from '../runs.config.js';
import { LEFT_AFTER_MS } from './run-writes.repository.js';

/** The condition of the index `runs_open`, in its words: without it all runs there ever were are looked at. */
const OPEN = sql<boolean>`r.status in ('queued', 'running', 'waiting')`;

/** Free to be begun: first in its session, which has nothing active. */
const BEGINNABLE = sql<boolean>`not exists (
  select 1 from runs a where a.session_id = r.session_id and a.id <> r.id
  and (a.status in ('running', 'waiting') or (a.status = 'queued' and a.number < r.number)))`;

/** What a renewal tells of a run that this process still owns. */
export interface RenewedLease {
  id: string;
  /** Somebody has asked for it, or it shall end when nobody watches it, and nobody does. */
  cancelRequested: boolean;
}

/**
 * Who works on what. A lease is a row's `owner` and `lease_until`, by the database's clock; each change is one
 * statement, so of several processes one wins. A run that had an owner before gets the next attempt.
 */
@Injectable()
export class LeaseRepository {
  /** This process. */
  readonly holder = newId('node');

  constructor(
    private readonly database: Database,
    @Inject(runsConfig.KEY) private readonly config: Pick<RunsConfig, 'LEASE_MS'>,
  ) {}

  /** Whether no other process can make or take runs. */
  get isAlone(): boolean {
    return this.database.exclusive;
  }

  /** Tells other processes what to look for. */
  get notices(): Notices {
    return this.database.notices;
  }

  get leaseMs(): number {
    return this.config.LEASE_MS;
  }

  /**
   * Takes the oldest run that waits for a process: queued and first in its session, left by a dead owner, or one
   * that has waited for decisions and can go on, or shall end.
   * @param held runs that this process works on: it never takes them from itself, however late it is.
   */
  async claimNext(held: string[] = []): Promise<Run | undefined> {
    const others = held.length === 0 ? sql`` : sql`and r.id not in (${sql.join(padded(held))})`;
    const candidate = sql`select r.id from runs r
      where ${OPEN} and ${this.claimable} ${others}
      order by r.created_at, r.id limit 1 ${this.database.skipLocked}`;
    return this.take(sql`r.id = (${candidate})`, 'running');
  }

  /** Whether a run is in the queue that no process holds, be it behind another of its session. */
  async hasQueued(): Promise<boolean> {
    const { rows } = await sql`select 1 from runs r
      where ${OPEN} and r.status <> 'waiting' and ${this.free} limit 1`.execute(
      this.database.acrossTenants(),
    );
    return rows.length > 0;
  }

  /** Takes this run, when it waits for a process. */
  async claim(id: string): Promise<Run | undefined> {
    return this.take(sql`r.id = ${id} and ${this.claimable}`, 'running');
  }

  /** Begins a run that this process has just made, when nothing is before it. */
  async beginOwn(id: string): Promise<Run | undefined> {
    const { rows } = await sql<Selectable<RunsTable>>`
      update runs as r set status = 'running', lease_until = ${this.until}, started_at = ${this.database.now},
        steerable_attempt = attempt, ${this.watchedAnew}
      where r.id = ${id} and r.owner = ${this.holder} and r.status = 'queued' and r.attempt = 1 and ${BEGINNABLE}
      returning *`.execute(this.database.acrossTenants());
    return rows[0] && toRun(rows[0]);
  }

  /** Leaves a run that this process has made to whoever comes first, still in its first attempt. */
  async offerOwn(id: string): Promise<void> {
    await sql`update runs set owner = null, lease_until = null
      where id = ${id} and owner = ${this.holder} and status = 'queued' and attempt = 1`.execute(
      this.database.acrossTenants(),
    );
  }

  /** Takes a run that no living process holds, to end it: its status stays as it is. */
  async claimToEnd(id: string): Promise<Run | undefined> {
    // On the row itself, not in a subquery: who has waited for another claim must see what that one made of it.
    const condition = sql`r.id = ${id} and r.status in ('queued', 'running', 'waiting') and ${this.free}`;
    return this.take(condition, 'unchanged');
  }

  /** Prolongs the leases of these runs; those that are not in the answer are lost. */
  async renew(ids: string[]): Promise<RenewedLease[]> {
    if (ids.length === 0) return [];
    const rows = await this.database.urgent
      .updateTable('runs')
      .set({ lease_until: this.until })
      .where('id', 'in', ids)
      .where('owner', '=', this.holder)
      .where('status', 'in', ['running', 'waiting', 'queued'])
      // A run that was let go of while this was under way stays free.
      .where('lease_until', 'is not', null)
      .returning([
        'id',
        sql<boolean | number>`cancel_requested_at is not null or ${this.isLeft}`.as('is_ending'),
      ])
      .execute();
    return rows.map((row) => ({ id: row.id, cancelRequested: Boolean(row.is_ending) }));
  }

  /** Gives a run back, so that any process goes on with it at once. */
  async release(run: Run): Promise<void> {
    await this.database
      .acrossTenants()
      .updateTable('runs')
      .set({ lease_until: 0 })
      .where('id', '=', run.id)
      .where('attempt', '=', run.attempt)
      .where('owner', '=', this.holder)
      .where('status', 'in', ['queued', 'running', 'waiting'])
      .execute();
  }

  /**
   * Where no other process can hold a lease, those of others belong to the dead, and nobody could watch a run that
   * waits.
   */
  async releaseDead(): Promise<void> {
    if (!this.database.exclusive) return;
    await this.database
      .acrossTenants()
      .updateTable('runs')
      .set({ lease_until: 0 })
      .where('status', 'in', ['queued', 'running', 'waiting'])
      .where('lease_until', 'is not', null)
      .where(sql<boolean>`owner is distinct from ${this.holder}`)
      .execute();
    await sql`update runs set ${this.watchedAnew} where status = 'waiting'`.execute(
      this.database.acrossTenants(),
    );
  }

  /** Whether it waits for a process: to be begun, left by a dead owner, or to go on after decisions. */
  private get claimable(): RawBuilder<boolean> {
    return sql<boolean>`((r.status = 'queued' and ${BEGINNABLE}) or r.status = 'running' or ${this.isAwake})
      and ${this.free}`;
  }

  private get free(): RawBuilder<boolean> {
    return sql<boolean>`(r.lease_until is null or r.lease_until < ${this.database.now})`;
  }

  /**
   * A run that has waited and goes on: all is decided, the first time to decide is over, or it shall end. One that
   * waits has no lease, but when somebody took it to end it, and died.
   */
  private get isAwake(): RawBuilder<boolean> {
    return sql<boolean>`(r.status = 'waiting' and (r.wake_at <= ${this.database.now} or r.lease_until is not null
      or r.cancel_requested_at is not null or ${this.isLeft}))`;
  }

  private get isLeft(): RawBuilder<boolean> {
    return sql<boolean>`coalesce(watched_until < ${this.database.now}, false)`;
  }

  /** Whoever watched a run comes back when its owner has died, but later than the next owner. */
  private get watchedAnew(): RawBuilder<unknown> {
    const soon = sql`${this.database.now} + cast(${LEFT_AFTER_MS} as integer)`;
    return sql`watched_until = case when watched_until is not null then ${soon} end`;
  }

  private get until(): RawBuilder<number> {
    return sql<number>`${this.database.now} + cast(${this.leaseMs} as integer)`;
  }

  private async take(
    condition: RawBuilder<unknown>,
    status: 'running' | 'unchanged',
  ): Promise<Run | undefined> {
    const next = sql`attempt + case when owner is null then 0 else 1 end`;
    const begin = sql`, status = 'running', started_at = coalesce(started_at, ${this.database.now}),
      steerable_attempt = ${next}, ${this.watchedAnew}, cancel_requested_at = coalesce(cancel_requested_at,
        case when status = 'waiting' and ${this.isLeft} then ${this.database.now} end)`;
    const waited = sql`waited_ms = waited_ms + coalesce(${this.database.now} - parked_at, 0), parked_at = null,
      wake_at = null`;
    const { rows } = await sql<Selectable<RunsTable>>`
      update runs as r set owner = ${this.holder}, lease_until = ${this.until},
        attempt = ${next}, ${waited}${status === 'running' ? begin : sql``}
      where ${condition} returning *`.execute(this.database.acrossTenants());
    return rows[0] && toRun(rows[0]);
  }
}

/** To the next power of two, so that there are few different statements. */
function padded(ids: string[]): string[] {
  const length = 2 ** Math.ceil(Math.log2(ids.length));
  return [...ids, ...Array.from({ length: length - ids.length }, () => '')];
}
