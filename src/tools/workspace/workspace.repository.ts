import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type Queryable } from '../../database/database.js';
import { AppError } from '../../errors/app-error.js';

/** A file as a run changed it, without its texts; a hash is null where there was no file. */
export interface FileChange {
  runId: string;
  path: string;
  before: string | null;
  after: string | null;
  /** What a change makes of it that is not known to be done. */
  next: string | null;
  isReverted: boolean;
}

export interface ChangeStart {
  runId: string;
  toolCallId: string;
  /** The session whose workspace it is. */
  workspaceId: string;
  path: string;
  /** The file before this change; null: there is none. */
  current: { text: string; sha256: string } | null;
  /** The file after it. */
  next: string;
}

export interface FileSeen {
  sessionId: string;
  path: string;
  sha256: string;
}

/** Longest chain of sub-agents that is followed. */
const MAX_NESTING = 16;
const ANSWERED = ['finished', 'cancelled', 'denied', 'expired', 'outcome_unknown'];

/** What runs have read and changed in workspaces. */
@Injectable()
export class WorkspaceRepository {
  constructor(private readonly database: Database) {}

  /** The session whose workspace a session works in: a sub-agent works in that of the run that started it. */
  async workspaceOf(sessionId: string): Promise<string> {
    let id = sessionId;
    for (let step = 0; step < MAX_NESTING; step += 1) {
      const parent = await this.database
        .acrossTenants()
        .selectFrom('sessions')
        .innerJoin('runs', 'runs.id', 'sessions.parent_run_id')
        .select('runs.session_id')
        .where('sessions.id', '=', id)
        .executeTakeFirst();
      if (parent === undefined) return id;
      id = parent.session_id;
    }
    return id;
  }

  /** A run and all runs of its sub-agents. */
  async runsUnder(runId: string): Promise<string[]> {
    const all = [runId];
    for (let level = [runId]; level.length > 0 && all.length < 10_000;) {
      const rows = await this.database
        .acrossTenants()
        .selectFrom('runs')
        .select('id')
        .where('parent_run_id', 'in', level)
        .execute();
      level = rows.map(({ id }) => id);
      all.push(...level);
    }
    return all;
  }

  /** Hash of the file when the session last read or wrote it. */
  async findRead(sessionId: string, path: string): Promise<string | undefined> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('workspace_reads')
      .select('sha256')
      .where('session_id', '=', sessionId)
      .where('path', '=', path)
      .executeTakeFirst();
    return row?.sha256;
  }

  async saveRead(seen: FileSeen, on?: Queryable): Promise<void> {
    await this.database
      .acrossTenants(on)
      .insertInto('workspace_reads')
      .values({ session_id: seen.sessionId, path: seen.path, sha256: seen.sha256 })
      .onConflict((conflict) => conflict.columns(['session_id', 'path']).doUpdateSet({ sha256: seen.sha256 }))
      .execute();
  }

  /**
   * Commits that a file is about to change, with its former text if it is the run's first change of it. Said twice it
   * is one.
   * @throws AppError `fenced` when the call has been answered already, by a process that took the run over: nothing
   * may be changed then.
   */
  async beginChange(change: ChangeStart): Promise<void> {
    const { now } = this.database;
    const current = change.current?.sha256 ?? null;
    const { numInsertedOrUpdatedRows } = await this.database
      .acrossTenants()
      .insertInto('workspace_changes')
      .columns([
        'run_id',
        'session_id',
        'path',
        'before_text',
        'before_sha256',
        'after_sha256',
        'next_sha256',
        'created_at',
      ])
      .expression(
        sql`select cast(${change.runId} as text), cast(${change.workspaceId} as text), cast(${change.path} as text),
          cast(${change.current?.text ?? null} as text), cast(${current} as text), cast(${current} as text),
          cast(${change.next} as text), ${now}
          where not exists (select 1 from tool_calls where run_id = ${change.runId}
            and tool_call_id = ${change.toolCallId} and state in (${sql.join(ANSWERED)}))`,
      )
      .onConflict((conflict) =>
        conflict.columns(['run_id', 'path']).doUpdateSet({ after_sha256: current, next_sha256: change.next }),
      )
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n)
      throw new AppError('fenced', 'This call has been answered by another process.');
  }

  /** The file has changed as announced, and the session knows it. A file that the run has not changed stays so. */
  async finishChange(runId: string, seen: FileSeen): Promise<void> {
    await this.database.transaction(async (trx) => {
      await this.database
        .acrossTenants(trx)
        .updateTable('workspace_changes')
        .set({ after_sha256: seen.sha256, next_sha256: null })
        .where('run_id', '=', runId)
        .where('path', '=', seen.path)
        .execute();
      await this.saveRead(seen, trx);
    });
  }

  /** In the order in which the files were first changed. */
  async listChanges(runIds: readonly string[]): Promise<FileChange[]> {
    const rows = await this.database
      .acrossTenants()
      .selectFrom('workspace_changes')
      .select(['run_id', 'path', 'before_sha256', 'after_sha256', 'next_sha256', 'reverted_at'])
      .where('run_id', 'in', [...runIds])
      .orderBy('created_at')
      .orderBy('run_id')
      .orderBy('path')
      .execute();
    return rows.map((row) => ({
      runId: row.run_id,
      path: row.path,
      before: row.before_sha256,
      after: row.after_sha256,
      next: row.next_sha256,
      isReverted: row.reverted_at !== null,
    }));
  }

  /** The text that a file of the workspace had before some run changed it, by its hash. */
  async findFormerText(workspaceId: string, path: string, sha256: string): Promise<string | undefined> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('workspace_changes')
      .select('before_text')
      .where('session_id', '=', workspaceId)
      .where('path', '=', path)
      .where('before_sha256', '=', sha256)
      .limit(1)
      .executeTakeFirst();
    return row?.before_text ?? undefined;
  }

  async noteReverted(runIds: readonly string[]): Promise<void> {
    await this.database
      .acrossTenants()
      .updateTable('workspace_changes')
      .set({ reverted_at: sql`coalesce(reverted_at, ${this.database.now})` })
      .where('run_id', 'in', [...runIds])
      .execute();
  }

  /** Sessions that are gone but have left something here. */
  async listLeft(limit: number): Promise<string[]> {
    const left = (table: 'workspace_changes' | 'workspace_reads') =>
      this.database
        .acrossTenants()
        .selectFrom(table)
        .select('session_id')
        .distinct()
        .where(
          sql<boolean>`not exists (select 1 from sessions s where s.id = ${sql.ref(`${table}.session_id`)})`,
        )
        .limit(limit);
    const rows = [
      ...(await left('workspace_changes').execute()),
      ...(await left('workspace_reads').execute()),
    ];
    return [...new Set(rows.map(({ session_id: id }) => id))];
  }

  async deleteAll(sessionId: string): Promise<void> {
    await this.database.transaction(async (trx) => {
      const all = this.database.acrossTenants(trx);
      await all.deleteFrom('workspace_reads').where('session_id', '=', sessionId).execute();
      await all.deleteFrom('workspace_changes').where('session_id', '=', sessionId).execute();
    });
  }
}
