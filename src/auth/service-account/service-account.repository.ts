import { Injectable } from '@nestjs/common';
import type { Selectable } from 'kysely';
import type { UsersTable } from '../../database/access-tables.js';
import { Database } from '../../database/database.js';
import type { Role } from '../principal.js';
import type { ServiceAccount } from './service-account.js';

export type NewServiceAccount = Pick<ServiceAccount, 'id' | 'tenantId' | 'name' | 'roles'>;

/** Programs, as rows of `users`; what is the same for people is in `UserRepository`. */
@Injectable()
export class ServiceAccountRepository {
  constructor(private readonly database: Database) {}

  async insert(account: NewServiceAccount): Promise<ServiceAccount> {
    const row = await this.database
      .of(account)
      .insertInto('users')
      .values({
        id: account.id,
        tenant_id: account.tenantId,
        email: account.id,
        password_hash: '',
        roles_json: JSON.stringify(account.roles),
        kind: 'service',
        name: account.name,
        created_at: this.database.now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return toAccount(row);
  }

  /** Those of the tenant, newest first. */
  async list(tenantId: string, limit: number, before?: string): Promise<ServiceAccount[]> {
    let query = this.database.of({ tenantId }).selectFrom('users').selectAll().where('kind', '=', 'service');
    if (before !== undefined) query = query.where('id', '<', before);
    const rows = await query.orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toAccount);
  }

  /**
   * Ends the account and its keys; false when the tenant has none of that id. The row stays, so that nobody else can
   * ever own what it made, and what others signed in its name stays refused.
   */
  async delete(id: string, tenantId: string): Promise<boolean> {
    const { now } = this.database;
    return this.database.transaction(async (trx) => {
      const tenant = this.database.of({ tenantId }, trx);
      const row = await tenant
        .updateTable('users')
        .set((eb) => ({ kind: 'deleted', disabled_at: eb.fn.coalesce('disabled_at', now) }))
        .where('id', '=', id)
        .where('kind', '=', 'service')
        .returning('id')
        .executeTakeFirst();
      if (row === undefined) return false;
      await tenant
        .updateTable('api_keys')
        .set({ revoked_at: now })
        .where('user_id', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      return true;
    });
  }
}

function toAccount(row: Selectable<UsersTable>): ServiceAccount {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name ?? '',
    roles: JSON.parse(row.roles_json) as Role[],
    disabled: row.disabled_at !== null,
    createdAt: row.created_at,
  };
}
