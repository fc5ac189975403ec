import { Injectable } from '@nestjs/common';
import type { Owner } from '../../auth/principal.js';
import { Database } from '../../database/database.js';

/** A session and a user of the same tenant who watches it. */
export interface Watcher extends Owner {
  sessionId: string;
}

/** Sessions in one question; a statement has a limited number of parameters. */
const AT_ONCE = 500;

/** The only SQL about whom sessions are shown to; `*` is everybody of the tenant. */
@Injectable()
export class ShareRepository {
  constructor(private readonly database: Database) {}

  async list(owner: Owner, sessionId: string): Promise<string[]> {
    const rows = await this.database
      .of(owner)
      .selectFrom('session_shares')
      .select('user_id')
      .where('session_id', '=', sessionId)
      .orderBy('user_id')
      .execute();
    return rows.map((row) => row.user_id);
  }

  /** From now on these alone. False when the owner has no such session. */
  replace(owner: Owner, sessionId: string, userIds: readonly string[]): Promise<boolean> {
    return this.database.transaction(async (trx) => {
      const handle = this.database.of(owner, trx);
      // An update that changes nothing locks the row: two lists that are said at once do not mix.
      const session = await handle
        .updateTable('sessions')
        .set((eb) => ({ title: eb.ref('title') }))
        .where('id', '=', sessionId)
        .where('user_id', '=', owner.userId)
        .returning('id')
        .executeTakeFirst();
      if (session === undefined) return false;
      await handle.deleteFrom('session_shares').where('session_id', '=', sessionId).execute();
      if (userIds.length === 0) return true;
      await handle
        .insertInto('session_shares')
        .values(
          userIds.map((userId) => ({
            session_id: sessionId,
            tenant_id: owner.tenantId,
            user_id: userId,
            created_at: this.database.now,
          })),
        )
        .execute();
      return true;
    });
  }

  /** The session of a person from within which the sub-agent of this one was started; its own id for a person's. */
  async rootOf(owner: Owner, session: { id: string; parentRunId: string | null }): Promise<string> {
    if (session.parentRunId === null) return session.id;
    const row = await this.database
      .of(owner)
      .selectFrom('runs as parent')
      .innerJoin('runs as root', (join) =>
        join.on((on) => on('root.id', '=', on.fn.coalesce('parent.root_run_id', 'parent.id'))),
      )
      .select('root.session_id')
      .where('parent.id', '=', session.parentRunId)
      .executeTakeFirst();
    return row?.session_id ?? session.id;
  }

  /** Whom these sessions are shown to: of all tenants, since one question is asked for all who watch. */
  async listAll(sessionIds: readonly string[]): Promise<Watcher[]> {
    const found: Watcher[] = [];
    for (let from = 0; from < sessionIds.length; from += AT_ONCE) {
      const rows = await this.database
        .acrossTenants()
        .selectFrom('session_shares')
        .select(['session_id', 'tenant_id', 'user_id'])
        .where('session_id', 'in', sessionIds.slice(from, from + AT_ONCE))
        .execute();
      for (const row of rows) {
        found.push({ sessionId: row.session_id, tenantId: row.tenant_id, userId: row.user_id });
      }
    }
    return found;
  }
}
