import { Injectable } from '@nestjs/common';
import type { Selectable, Updateable } from 'kysely';
import type { Owner } from '../auth/principal.js';
import { Database, type Queryable } from '../database/database.js';
import { newId } from '../database/ids.js';
import type { SessionsTable } from '../database/schema.js';
import type { Session, SessionFields } from './session.js';

/** The only SQL about sessions; every query names the owner. */
@Injectable()
export class SessionRepository {
  constructor(private readonly database: Database) {}

  /** @param fields with `parentRunId` for the conversation of a sub-agent. */
  async create(
    owner: Owner,
    fields: SessionFields & { parentRunId?: string },
    on: Queryable = this.database.kysely,
  ): Promise<Session> {
    const row = await on
      .insertInto('sessions')
      .values({
        id: newId('ses'),
        tenant_id: owner.tenantId,
        user_id: owner.userId,
        title: fields.title ?? null,
        model: fields.model ?? null,
        system: fields.system ?? null,
        metadata_json: JSON.stringify(fields.metadata ?? {}),
        agent: fields.agent ?? null,
        parent_run_id: fields.parentRunId ?? null,
        created_at: this.database.now,
        updated_at: this.database.now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return toSession(row);
  }

  async find(owner: Owner, id: string): Promise<Session | undefined> {
    const row = await this.database.kysely
      .selectFrom('sessions')
      .selectAll()
      .where('id', '=', id)
      .where('tenant_id', '=', owner.tenantId)
      .where('user_id', '=', owner.userId)
      .executeTakeFirst();
    return row && toSession(row);
  }

  /** Whether there is such a session, whoever's: for who was let in before it was deleted. */
  async has(id: string): Promise<boolean> {
    const row = await this.database.kysely
      .selectFrom('sessions')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Those of people, newest first, older than the session `before`. */
  async list(owner: Owner, limit: number, before: string | undefined): Promise<Session[]> {
    let query = this.database.kysely
      .selectFrom('sessions')
      .selectAll()
      .where('tenant_id', '=', owner.tenantId)
      .where('user_id', '=', owner.userId)
      .where('parent_run_id', 'is', null)
      .orderBy('id', 'desc')
      .limit(limit);
    if (before !== undefined) query = query.where('id', '<', before);
    return (await query.execute()).map(toSession);
  }

  /**
   * Changes fields, or only notes that the session was used; undefined when there is none.
   * In a transaction the row stays locked until its end: who holds it alone adds runs to the session.
   */
  async save(
    owner: Owner,
    id: string,
    fields: SessionFields,
    on: Queryable = this.database.kysely,
  ): Promise<Session | undefined> {
    const change: Updateable<SessionsTable> = {};
    if (fields.title !== undefined) change.title = fields.title;
    if (fields.model !== undefined) change.model = fields.model;
    if (fields.system !== undefined) change.system = fields.system;
    if (fields.agent !== undefined) change.agent = fields.agent;
    if (fields.metadata !== undefined) change.metadata_json = JSON.stringify(fields.metadata);
    const row = await on
      .updateTable('sessions')
      .set({ ...change, updated_at: this.database.now })
      .where('id', '=', id)
      .where('tenant_id', '=', owner.tenantId)
      .where('user_id', '=', owner.userId)
      .returningAll()
      .executeTakeFirst();
    return row && toSession(row);
  }

  /** Gives a session its title, unless it has one by now. */
  async entitle(owner: Owner, id: string, title: string): Promise<void> {
    await this.database.kysely
      .updateTable('sessions')
      .set({ title })
      .where('id', '=', id)
      .where('tenant_id', '=', owner.tenantId)
      .where('user_id', '=', owner.userId)
      .where('title', 'is', null)
      .execute();
  }

  async delete(owner: Owner, id: string, on: Queryable): Promise<void> {
    await on
      .deleteFrom('sessions')
      .where('id', '=', id)
      .where('tenant_id', '=', owner.tenantId)
      .where('user_id', '=', owner.userId)
      .execute();
  }
}

function toSession(row: Selectable<SessionsTable>): Session {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    userId: row.user_id,
    title: row.title,
    model: row.model,
    system: row.system,
    metadata: JSON.parse(row.metadata_json) as Record<string, unknown>,
    agent: row.agent,
    parentRunId: row.parent_run_id ?? null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
