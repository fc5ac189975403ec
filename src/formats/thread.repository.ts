import { Injectable } from '@nestjs/common';
import type { Owner } from '../auth/principal.js';
import { Database, type Queryable } from '../database/database.js';
import { SessionRepository } from '../sessions/session.repository.js';

/** A conversation as a client calls it: ids of one protocol mean nothing in another. */
export interface ThreadName {
  kind: 'ai-sdk' | 'ag-ui';
  clientId: string;
}

/** The only SQL about threads. A thread whose session was deleted is none. */
@Injectable()
export class ThreadRepository {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionRepository,
  ) {}

  /** The session of that name, or undefined. */
  async find(owner: Owner, name: ThreadName): Promise<string | undefined> {
    const row = await this.named(owner, name)
      .innerJoin('sessions', (join) =>
        join
          .onRef('sessions.id', '=', 'threads.session_id')
          .onRef('sessions.user_id', '=', 'threads.user_id'),
      )
      .select('threads.session_id')
      .executeTakeFirst();
    return row?.session_id;
  }

  /** Makes a session of that name; of several who do so at once, and of those who come later, all get one. */
  create(owner: Owner, name: ThreadName, agent?: string): Promise<string> {
    return this.database.transaction(async (trx) => {
      await this.forgetDeleted(trx, owner, name);
      const { kind, clientId } = name;
      const handle = this.database.of(owner, trx);
      // Whoever comes second waits here for the first to commit, so the empty id is seen by nobody.
      const { numInsertedOrUpdatedRows } = await handle
        .insertInto('threads')
        .values({
          tenant_id: owner.tenantId,
          user_id: owner.userId,
          kind,
          client_id: clientId,
          session_id: '',
          created_at: this.database.now,
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows !== 1n) {
        return (await this.named(owner, name, trx).select('session_id').executeTakeFirstOrThrow()).session_id;
      }
      const { id } = await this.sessions.create(owner, { agent }, trx);
      await handle
        .updateTable('threads')
        .set({ session_id: id })
        .where('user_id', '=', owner.userId)
        .where('kind', '=', kind)
        .where('client_id', '=', clientId)
        .execute();
      return id;
    });
  }

  private named(owner: Owner, { kind, clientId }: ThreadName, on?: Queryable) {
    return this.database
      .of(owner, on)
      .selectFrom('threads')
      .where('threads.user_id', '=', owner.userId)
      .where('threads.kind', '=', kind)
      .where('threads.client_id', '=', clientId);
  }

  /** A version before threads were known deletes the session alone. */
  private async forgetDeleted(trx: Queryable, owner: Owner, { kind, clientId }: ThreadName): Promise<void> {
    await this.database
      .of(owner, trx)
      .deleteFrom('threads')
      .where('user_id', '=', owner.userId)
      .where('kind', '=', kind)
      .where('client_id', '=', clientId)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('sessions')
              .select('sessions.id')
              .whereRef('sessions.id', '=', 'threads.session_id'),
          ),
        ),
      )
      .execute();
  }
}
