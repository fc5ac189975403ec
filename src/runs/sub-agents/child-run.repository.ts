import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type Queryable } from '../../database/database.js';
import type { Run } from '../run.js';
import { toRun } from '../run.repository.js';

const OPEN = ['queued', 'running', 'waiting'];

type Parent = Pick<Run, 'id' | 'tenantId'>;

/** Runs by the run that has started them. */
@Injectable()
export class ChildRunRepository {
  constructor(private readonly database: Database) {}

  /**
   * Locks a run's row for the transaction, so that it cannot end before its new child is stored.
   * @returns false when it has no right to children any more: it is over, shall end, or is another attempt's.
   */
  async lockParent(on: Queryable, parent: Run): Promise<boolean> {
    const { numUpdatedRows } = await this.database
      .of(parent, on)
      .updateTable('runs')
      .set({ inputs: sql<number>`inputs` })
      .where('id', '=', parent.id)
      .where('attempt', '=', parent.attempt)
      .where('status', 'in', OPEN)
      .where('cancel_requested_at', 'is', null)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }

  /** The run that this call of the parent has started. */
  async find(parent: Parent, callId: string, on?: Queryable): Promise<Run | undefined> {
    const row = await this.database
      .of(parent, on)
      .selectFrom('runs')
      .selectAll()
      .where('parent_run_id', '=', parent.id)
      .where('parent_call_id', '=', callId)
      .executeTakeFirst();
    return row && toRun(row);
  }

  /** All that the run has started, the first one first. */
  async list(parent: Parent): Promise<Run[]> {
    const rows = await this.database
      .of(parent)
      .selectFrom('runs')
      .selectAll()
      .where('parent_run_id', '=', parent.id)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map(toRun);
  }

  async listOpen(parent: Parent): Promise<Run[]> {
    const rows = await this.database
      .of(parent)
      .selectFrom('runs')
      .selectAll()
      .where('parent_run_id', '=', parent.id)
      .where('status', 'in', OPEN)
      .execute();
    return rows.map(toRun);
  }

  async count(on: Queryable, parent: Parent): Promise<number> {
    const { count } = await this.database
      .of(parent, on)
      .selectFrom('runs')
      .select(sql<number>`cast(count(*) as integer)`.as('count'))
      .where('parent_run_id', '=', parent.id)
      .executeTakeFirstOrThrow();
    return count;
  }

  /** How many runs are above this one: 0 for a person's. */
  async depth(run: Run, on?: Queryable): Promise<number> {
    const { rows } = await sql<{ depth: number }>`
      with recursive above(parent) as (
        select parent_run_id from runs where id = ${run.id}
        union all select r.parent_run_id from runs r join above a on r.id = a.parent)
      select cast(count(parent) as integer) as depth from above`.execute(this.database.acrossTenants(on));
    return rows[0]?.depth ?? 0;
  }

  /** Agents of the runs above this one, the nearest first. */
  async agentsAbove({ parent }: Run): Promise<(string | null)[]> {
    const { rows } = await sql<{ agent: string | null }>`
      with recursive above(agent, parent, depth) as (
        select agent, parent_run_id, 1 from runs where id = ${parent?.runId ?? ''}
        union all select r.agent, r.parent_run_id, a.depth + 1 from runs r join above a on r.id = a.parent)
      select agent from above order by depth`.execute(this.database.acrossTenants());
    return rows.map(({ agent }) => agent);
  }

  /** The sessions of all sub-agents that were started from within a session, and from within those. */
  async sessionsBelow(sessionId: string, on?: Queryable): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      with recursive below(id) as (
        select c.session_id from runs c join runs p on c.parent_run_id = p.id where p.session_id = ${sessionId}
        union select c.session_id from runs c join runs p on c.parent_run_id = p.id
          join below b on p.session_id = b.id)
      select id from below`.execute(this.database.acrossTenants(on));
    return rows.map(({ id }) => id);
  }
}
