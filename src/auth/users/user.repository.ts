import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import { Database } from '../../database/database.js';
import type { UsersTable } from '../../database/access-tables.js';
import type { Role } from '../principal.js';
import type { User } from '../user.js';

export interface NewUser {
  id: string;
  tenantId: string;
  email: string;
  passwordHash: string;
  roles: Role[];
}

export interface UserChange {
  roles?: Role[] | undefined;
  disabled?: boolean | undefined;
}

type Row = Selectable<UsersTable>;

/** The only SQL about users. */
@Injectable()
export class UserRepository {
  constructor(private readonly database: Database) {}

  async find(id: string): Promise<User | undefined> {
    const row = await this.database.kysely
      .selectFrom('users')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toUser(row);
  }

  async findByEmail(email: string): Promise<{ user: User; passwordHash: string } | undefined> {
    const row = await this.database.kysely
      .selectFrom('users')
      .selectAll()
      .where('email', '=', email)
      .executeTakeFirst();
    return row && { user: toUser(row), passwordHash: row.password_hash };
  }

  async isEmpty(): Promise<boolean> {
    const row = await this.database.kysely.selectFrom('users').select('id').limit(1).executeTakeFirst();
    return row === undefined;
  }

  /** False when the e-mail address is taken, in whichever tenant. */
  async insert(user: NewUser): Promise<boolean> {
    const row = await this.database.kysely
      .insertInto('users')
      .values({ ...columnsOf(user), created_at: this.database.now })
      .onConflict((conflict) => conflict.column('email').doNothing())
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Inserts into an empty table only, in one statement; false when there was somebody already. Two nodes of
   * one configuration that start together insert the same address, which the table takes once.
   */
  async insertFirst(user: NewUser): Promise<boolean> {
    const { now, kysely } = this.database;
    const columns = Object.entries(columnsOf(user)) as [keyof ReturnType<typeof columnsOf>, string][];
    const values = columns.map(([name, value]) => sql<string>`cast(${value} as text)`.as(name));
    const row = await kysely
      .insertInto('users')
      .columns([...columns.map(([name]) => name), 'created_at'])
      .expression(
        kysely
          .selectNoFrom([...values, now.as('created_at')])
          .where((eb) => eb.not(eb.exists(eb.selectFrom('users').select('users.id')))),
      )
      .onConflict((conflict) => conflict.column('email').doNothing())
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** The user after the change; undefined when the tenant has none of that id. */
  async update(id: string, tenant: string, change: UserChange): Promise<User | undefined> {
    const { now, kysely } = this.database;
    const row = await kysely
      .updateTable('users')
      .set((eb) => ({
        roles_json: change.roles === undefined ? eb.ref('roles_json') : JSON.stringify(change.roles),
        disabled_at: disabledAt(change.disabled, eb.ref('disabled_at'), eb.fn.coalesce('disabled_at', now)),
      }))
      .where('id', '=', id)
      .where('tenant_id', '=', tenant)
      .returningAll()
      .executeTakeFirst();
    return row && toUser(row);
  }

  /** Those of the ids that are disabled. */
  async disabledAmong(ids: readonly string[]): Promise<string[]> {
    const rows = await this.database.kysely
      .selectFrom('users')
      .select('id')
      .where('id', 'in', ids)
      .where('disabled_at', 'is not', null)
      .execute();
    return rows.map((row) => row.id);
  }
}

function disabledAt<T, U>(disabled: boolean | undefined, asItIs: T, since: U): T | U | null {
  if (disabled === undefined) return asItIs;
  return disabled ? since : null;
}

function columnsOf(user: NewUser) {
  return {
    id: user.id,
    tenant_id: user.tenantId,
    email: user.email,
    password_hash: user.passwordHash,
    roles_json: JSON.stringify(user.roles),
  };
}

function toUser(row: Row): User {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    email: row.email,
    roles: JSON.parse(row.roles_json) as Role[],
    disabled: row.disabled_at !== null,
  };
}
