import { sql } from 'kysely';
import type { Database } from '../../database/database.js';

/** A run by when it ended, in milliseconds since 1970 UTC. */
export interface EndedRun {
  id: string;
  endedAt: number;
}

/** Runs that are over, as far as their events need not be kept any longer. */
export class EndedRunRepository {
  constructor(private readonly database: Database) {}

  /**
   * Deletes the pages of runs that ended longer ago than `retentionMs` by the database's clock: some runs at a
   * time, the oldest first, beginning after those of an earlier call.
   * @returns the last of them; undefined when there are no more.
   */
  async trim(retentionMs: number, after: EndedRun, limit: number): Promise<EndedRun | undefined> {
    const { rows } = await sql<EndedRun>`
      select id, ended_at as "endedAt" from runs
      where ended_at < ${this.database.now} - cast(${retentionMs} as bigint)
      and (ended_at > ${after.endedAt} or (ended_at = ${after.endedAt} and id > ${after.id}))
      order by ended_at, id limit ${limit}`.execute(this.database.acrossTenants());
    const ids = rows.map((row) => row.id);
    if (ids.length === 0) return undefined;
    await this.database.acrossTenants().deleteFrom('run_pages').where('run_id', 'in', ids).execute();
    return rows.at(-1);
  }
}
