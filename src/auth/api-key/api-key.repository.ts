import { Injectable } from '@nestjs/common';
import { type Expression, type ExpressionBuilder, type Selectable, sql, type SqlBool } from 'kysely';
import type { ApiKeysTable } from '../../database/access-tables.js';
import { Database, type Tables } from '../../database/database.js';
import type { Schema } from '../../database/schema.js';
import type { Owner, Role, Scope } from '../principal.js';
import { type ApiKey, MAX_LIVE_KEYS } from './api-key.js';

const USE_TOLD_EVERY_MS = 60_000;

export interface NewApiKey extends Owner {
  id: string;
  name: string;
  secretHash: string;
  hint: string;
  scopes: readonly Scope[];
  createdBy: string;
  lifetimeMs: number;
}

/** A key that counts now, with what its user is today. */
export interface KnownKey {
  key: ApiKey;
  email: string | null;
  roles: Role[];
  /** Whether `lastUsedAt` is to be written again. */
  isUseUntold: boolean;
}

/** Which keys: of a tenant, of one user of it when named. */
export interface KeysOf {
  tenantId: string;
  userId?: string | undefined;
}

/** API keys, with what their users are. They are known by the SHA-256 of their text; time is the database's. */
@Injectable()
export class ApiKeyRepository {
  constructor(private readonly database: Database) {}

  /**
   * `no_user` when the tenant has no such active user, `full` when the user has as many live keys as a user may.
   * The user's row is written, unchanged: so two calls at once cannot both be the last key.
   */
  async insert(key: NewApiKey): Promise<ApiKey | 'no_user' | 'full'> {
    const { now } = this.database;
    return this.database.transaction(async (trx) => {
      const tenant = this.database.of(key, trx);
      const user = await tenant
        .updateTable('users')
        .set((eb) => ({ roles_json: eb.ref('roles_json') }))
        .where('id', '=', key.userId)
        .where('kind', '<>', 'deleted')
        .where('disabled_at', 'is', null)
        .returning('id')
        .executeTakeFirst();
      if (user === undefined) return 'no_user';
      if ((await this.countLive(tenant, key)) >= MAX_LIVE_KEYS) return 'full';
      const row = await tenant
        .insertInto('api_keys')
        .values({
          id: key.id,
          tenant_id: key.tenantId,
          user_id: key.userId,
          name: key.name,
          secret_hash: key.secretHash,
          hint: key.hint,
          scopes_json: JSON.stringify(key.scopes),
          created_by: key.createdBy,
          created_at: now,
          expires_at: sql<number>`${now} + ${sql.lit(key.lifetimeMs)}`,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return toKey(row);
    });
  }

  /** The roles of an active service account; undefined when the tenant has none of that id. */
  async findServiceRoles(owner: Owner): Promise<Role[] | undefined> {
    const row = await this.database
      .of(owner)
      .selectFrom('users')
      .select('roles_json')
      .where('id', '=', owner.userId)
      .where('kind', '=', 'service')
      .where('disabled_at', 'is', null)
      .executeTakeFirst();
    return row && (JSON.parse(row.roles_json) as Role[]);
  }

  /** The key of this hash; undefined when unknown, ended or expired, or its user disabled. */
  async findLive(secretHash: string): Promise<KnownKey | undefined> {
    const { now } = this.database;
    const row = await this.database
      .acrossTenants()
      .selectFrom('api_keys')
      .innerJoin('users', (join) =>
        join.onRef('users.id', '=', 'api_keys.user_id').onRef('users.tenant_id', '=', 'api_keys.tenant_id'),
      )
      .selectAll('api_keys')
      .select(['users.email', 'users.roles_json', now.as('now')])
      .where('api_keys.secret_hash', '=', secretHash)
      .where('users.disabled_at', 'is', null)
      .where('users.kind', '<>', 'deleted')
      .where((eb) => this.isLive(eb))
      .executeTakeFirst();
    return (
      row && {
        key: toKey(row),
        email: row.email === row.user_id ? null : row.email,
        roles: JSON.parse(row.roles_json) as Role[],
        isUseUntold: row.last_used_at === null || row.now - row.last_used_at >= USE_TOLD_EVERY_MS,
      }
    );
  }

  /** Notes that the key is in use, unless that was noted in the last minute. */
  async noteUse({ id, tenantId }: Pick<ApiKey, 'id' | 'tenantId'>): Promise<void> {
    const { now } = this.database;
    await this.database
      .of({ tenantId })
      .updateTable('api_keys')
      .set({ last_used_at: now })
      .where('id', '=', id)
      .where((eb) =>
        eb.or([
          eb('last_used_at', 'is', null),
          eb('last_used_at', '<=', sql<number>`${now} - ${sql.lit(USE_TOLD_EVERY_MS)}`),
        ]),
      )
      .execute();
  }

  /** Newest first, without those that were ended; expired ones stay in the list. */
  async list(of: KeysOf, limit: number, before?: string): Promise<ApiKey[]> {
    let query = this.database.of(of).selectFrom('api_keys').selectAll().where('revoked_at', 'is', null);
    if (of.userId !== undefined) query = query.where('user_id', '=', of.userId);
    if (before !== undefined) query = query.where('id', '<', before);
    const rows = await query.orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toKey);
  }

  /** Ends the key; false when there is none of that id, or it was ended before. */
  async end(id: string, of: KeysOf): Promise<boolean> {
    let query = this.database
      .of(of)
      .updateTable('api_keys')
      .set({ revoked_at: this.database.now })
      .where('id', '=', id)
      .where('revoked_at', 'is', null);
    if (of.userId !== undefined) query = query.where('user_id', '=', of.userId);
    return (await query.returning('id').executeTakeFirst()) !== undefined;
  }

  /** Those of the ids that are neither ended nor expired. */
  async aliveAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.database
      .acrossTenants()
      .selectFrom('api_keys')
      .select('id')
      .where('id', 'in', ids)
      .where((eb) => this.isLive(eb))
      .execute();
    return rows.map((row) => row.id);
  }

  private async countLive(tenant: Tables, { userId }: Owner): Promise<number> {
    const rows = await tenant
      .selectFrom('api_keys')
      .select('id')
      .where('user_id', '=', userId)
      .where((eb) => this.isLive(eb))
      .limit(MAX_LIVE_KEYS)
      .execute();
    return rows.length;
  }

  private isLive(eb: ExpressionBuilder<Schema, 'api_keys'>): Expression<SqlBool> {
    return eb.and([
      eb('api_keys.revoked_at', 'is', null),
      eb.or([eb('api_keys.expires_at', 'is', null), eb('api_keys.expires_at', '>', this.database.now)]),
    ]);
  }
}

function toKey(row: Selectable<ApiKeysTable>): ApiKey {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    userId: row.user_id,
    name: row.name,
    hint: row.hint,
    scopes: JSON.parse(row.scopes_json) as Scope[],
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
