import { Injectable } from '@nestjs/common';
import {
  type Expression,
  type ExpressionBuilder,
  type Selectable,
  sql,
  type SqlBool,
  type Updateable,
} from 'kysely';
import type { Owner } from '../auth/principal.js';
import { Database, KeptQuery, type OfTenant, type Queryable } from '../database/database.js';
import { isId, newId } from '../database/ids.js';
import { inFewLengths, TenantLookups } from '../database/lookups.js';
import type { Schema, SessionsTable } from '../database/schema.js';
import { EVERYBODY, isSessionShownTo } from '../database/shown-to.js';
import { AppError } from '../errors/app-error.js';
import { requireOwn, type Session, type SessionFields } from './session.js';

type NewRow = Record<'id' | 'user_id' | 'metadata_json', string> &
  Record<'title' | 'model' | 'system' | 'agent' | 'parent_run_id', string | null>;

const CREATE = new KeptQuery((tables, row: NewRow, { tenantId, database }) =>
  tables
    .insertInto('sessions')
    .values({
      id: row.id,
      tenant_id: tenantId,
      user_id: row.user_id,
      title: row.title,
      model: row.model,
      system: row.system,
      metadata_json: row.metadata_json,
      agent: row.agent,
      parent_run_id: row.parent_run_id,
      created_at: database.now,
      updated_at: database.now,
    })
    .returningAll(),
);

/** The only SQL about sessions; every query names the owner; the tenant is put there by `Database.of`. */
@Injectable()
export class SessionRepository {
  private readonly lookups = new TenantLookups((tenantId, ids) => this.findAmong({ tenantId }, ids));

  constructor(private readonly database: Database) {}

  /** @param fields with `parentRunId` for the conversation of a sub-agent. */
  async create(
    owner: Owner,
    fields: SessionFields & { parentRunId?: string },
    on?: Queryable,
  ): Promise<Session> {
    const row = {
      id: newId('ses'),
      user_id: owner.userId,
      title: fields.title ?? null,
      model: fields.model ?? null,
      system: fields.system ?? null,
      metadata_json: JSON.stringify(fields.metadata ?? {}),
      agent: fields.agent ?? null,
      parent_run_id: fields.parentRunId ?? null,
    };
    const [created] = (await CREATE.ask(this.database, owner, row, on)).rows;
    if (created === undefined) throw new Error('A new session was not stored.');
    return toSession(created);
  }

  async find(owner: Owner, id: string, on?: Queryable): Promise<Session | undefined> {
    const found =
      on === undefined
        ? await this.lookups.find(owner.tenantId, id)
        : (await this.findAmong(owner, [id], on)).get(id);
    return found?.userId === owner.userId ? found : undefined;
  }

  /** Whosever of the tenant they are: the caller compares. */
  private async findAmong(
    tenant: OfTenant,
    ids: readonly string[],
    on?: Queryable,
  ): Promise<Map<string, Session>> {
    const query = this.database.of(tenant, on).selectFrom('sessions').selectAll();
    const rows = await query.where('id', 'in', inFewLengths(ids)).execute();
    return new Map(rows.map((row) => [row.id, toSession(row)]));
  }

  /**
   * The session, when it is the caller's.
   * @throws AppError `not_found`; `forbidden` when others show it to the caller.
   */
  async require(owner: Owner, id: string, on?: Queryable): Promise<Session> {
    return requireOwn(owner, await this.see(owner, id, on));
  }

  /** The session, when it is the caller's or others show it to the caller. @throws AppError `not_found`. */
  async see(owner: Owner, id: string, on?: Queryable): Promise<Session> {
    const session = isId('ses', id)
      ? ((await this.find(owner, id, on)) ?? (await this.findShown(owner, id, on)))
      : undefined;
    if (session === undefined) throw new AppError('not_found', 'There is no such session.');
    return session;
  }

  private async findShown(viewer: Owner, id: string, on?: Queryable): Promise<Session | undefined> {
    const row = await this.database
      .of(viewer, on)
      .selectFrom('sessions')
      .selectAll()
      .select(ownerEmail)
      .where('id', '=', id)
      .where(isSessionShownTo(viewer.userId))
      .executeTakeFirst();
    return row && toSession(row);
  }

  /** Those that others show to the viewer, newest first, older than the session `before`. */
  async listShown(
    viewer: Owner,
    limit: number,
    before: string | undefined,
    inTitle?: string,
  ): Promise<Session[]> {
    let query = this.database
      .of(viewer)
      .selectFrom('sessions')
      .selectAll()
      .select(ownerEmail)
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('session_shares as share')
          .select('share.session_id')
          .where('share.user_id', 'in', [viewer.userId, EVERYBODY]),
      )
      .where('user_id', '<>', viewer.userId)
      .orderBy('id', 'desc')
      .limit(limit);
    if (before !== undefined) query = query.where('id', '<', before);
    if (inTitle !== undefined) query = query.where(hasInTitle(inTitle));
    return (await query.execute()).map(toSession);
  }

  /** Whether there is such a session, whoever's of the tenant: for who was let in before it was deleted. */
  async has(owner: OfTenant, id: string): Promise<boolean> {
    const row = await this.database
      .of(owner)
      .selectFrom('sessions')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Those of people, newest first, older than the session `before`. */
  async list(owner: Owner, limit: number, before: string | undefined, inTitle?: string): Promise<Session[]> {
    let query = this.database
      .of(owner)
      .selectFrom('sessions')
      .selectAll()
      .where('user_id', '=', owner.userId)
      .where('parent_run_id', 'is', null)
      .orderBy('id', 'desc')
      .limit(limit);
    if (before !== undefined) query = query.where('id', '<', before);
    if (inTitle !== undefined) query = query.where(hasInTitle(inTitle));
    return (await query.execute()).map(toSession);
  }

  /**
   * Changes fields, or only notes that the session was used; undefined when there is none.
   * In a transaction the row stays locked until its end: who holds it alone adds runs to the session.
   */
  async save(owner: Owner, id: string, fields: SessionFields, on?: Queryable): Promise<Session | undefined> {
    const change: Updateable<SessionsTable> = {};
    if (fields.title !== undefined) change.title = fields.title;
    if (fields.model !== undefined) change.model = fields.model;
    if (fields.system !== undefined) change.system = fields.system;
    if (fields.agent !== undefined) change.agent = fields.agent;
    if (fields.metadata !== undefined) change.metadata_json = JSON.stringify(fields.metadata);
    const row = await this.database
      .of(owner, on)
      .updateTable('sessions')
      .set({ ...change, updated_at: this.database.now })
      .where('id', '=', id)
      .where('user_id', '=', owner.userId)
      .returningAll()
      .executeTakeFirst();
    return row && toSession(row);
  }

  /** Gives a session its title, unless it has one by now. */
  async entitle(owner: Owner, id: string, title: string): Promise<void> {
    await this.database
      .of(owner)
      .updateTable('sessions')
      .set({ title })
      .where('id', '=', id)
      .where('user_id', '=', owner.userId)
      .where('title', 'is', null)
      .execute();
  }

  async delete(owner: Owner, id: string, on: Queryable): Promise<void> {
    const handle = this.database.of(owner, on);
    await handle.deleteFrom('session_shares').where('session_id', '=', id).execute();
    await handle.deleteFrom('threads').where('session_id', '=', id).execute();
    await handle.deleteFrom('sessions').where('id', '=', id).where('user_id', '=', owner.userId).execute();
  }
}

/** Of a query over `sessions`: whatever stands in the text is meant as it is, and signs of patterns are none. */
function hasInTitle(text: string): Expression<SqlBool> {
  const pattern = `%${text.trim().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
  return sql<SqlBool>`lower(title) like lower(${pattern}) escape '\\'`;
}

/** Of a query over `sessions`: the address of whose they are, where there is one. */
function ownerEmail(eb: ExpressionBuilder<Schema, 'sessions'>) {
  return eb
    .selectFrom('users as person')
    .select('person.email')
    .whereRef('person.id', '=', 'sessions.user_id')
    .whereRef('person.email', '<>', 'person.id')
    .as('owner_email');
}

function toSession(row: Selectable<SessionsTable> & { owner_email?: string | null }): Session {
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
    ownerEmail: row.owner_email ?? undefined,
  };
}
