import { Injectable } from '@nestjs/common';
import { type ExpressionBuilder, sql } from 'kysely';
import { Database } from '../../database/database.js';
import { inFewLengths, Lookups } from '../../database/lookups.js';
import type { Schema } from '../../database/schema.js';
import type { Role } from '../principal.js';
import { type User, USER_COLUMNS, type UserKind, userOf } from '../user.js';

export interface NewUser {
  id: string;
  tenantId: string;
  email: string | null;
  /** Empty: nobody signs in with a password. */
  passwordHash: string;
  roles: Role[];
  /** A person when not given. */
  kind?: UserKind | undefined;
}

interface UserChange {
  roles?: Role[] | undefined;
  disabled?: boolean | undefined;
  /** With it, in the same moment, all logins and tokens of the user end. */
  endsLogins?: boolean | undefined;
}

/** A user with what the password is compared with. */
interface KnownUser {
  user: User;
  passwordHash: string;
}

/** Accounts: who they are, what they may, and what ends their credentials. Keys and the audit read the table, too. */
@Injectable()
export class UserRepository {
  /** Every request asks for one account: who all come back at once are looked up together. */
  private readonly lookups = new Lookups<User>((ids) => this.findAmong(inFewLengths(ids)));

  constructor(private readonly database: Database) {}

  find(id: string): Promise<User | undefined> {
    return this.lookups.find(id);
  }

  /** Those of the ids that have an account, by their id. */
  async findAmong(ids: readonly string[]): Promise<Map<string, User>> {
    const rows = await this.database
      .acrossTenants()
      .selectFrom('users')
      .select(USER_COLUMNS)
      .where('id', 'in', ids)
      .execute();
    return new Map(rows.map((row) => [row.id, userOf(row)]));
  }

  findByEmail(email: string): Promise<KnownUser | undefined> {
    return this.findKnown('email', email);
  }

  findWithPassword(id: string): Promise<KnownUser | undefined> {
    return this.findKnown('id', id);
  }

  private async findKnown(column: 'id' | 'email', value: string): Promise<KnownUser | undefined> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('users')
      .select([...USER_COLUMNS, 'users.password_hash'])
      .where(column, '=', value)
      .executeTakeFirst();
    return row && { user: userOf(row), passwordHash: row.password_hash };
  }

  /** Accounts of a tenant, newest first, older than the user `before`. */
  async list(tenant: string, limit: number, before: string | undefined): Promise<User[]> {
    let query = this.database
      .of({ tenantId: tenant })
      .selectFrom('users')
      .select(USER_COLUMNS)
      .where('kind', '<>', 'deleted')
      .orderBy('id', 'desc')
      .limit(limit);
    if (before !== undefined) query = query.where('id', '<', before);
    return (await query.execute()).map(userOf);
  }

  async isEmpty(): Promise<boolean> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('users')
      .select('id')
      .limit(1)
      .executeTakeFirst();
    return row === undefined;
  }

  /** False when the e-mail address (or the id) is taken, in whichever tenant. */
  async insert(user: NewUser): Promise<boolean> {
    const row = await this.database
      .acrossTenants()
      .insertInto('users')
      .values({ ...columnsOf(user), created_at: this.database.now })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Inserts into an empty table only, in one statement; false when there was somebody already. Two nodes of
   * one configuration that start together insert the same address, which the table takes once.
   */
  async insertFirst(user: NewUser): Promise<boolean> {
    const { now } = this.database;
    const kysely = this.database.acrossTenants();
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
    const { now } = this.database;
    const row = await this.database
      .of({ tenantId: tenant })
      .updateTable('users')
      .set((eb) => ({
        roles_json: change.roles === undefined ? eb.ref('roles_json') : JSON.stringify(change.roles),
        disabled_at: disabledAt(change.disabled, eb.ref('disabled_at'), eb.fn.coalesce('disabled_at', now)),
        ...(change.endsLogins === true && this.endOfLogins(eb)),
      }))
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    return row && userOf(row);
  }

  /** All logins and tokens of the user have ended when this returns; undefined when there is no such user. */
  async endLogins(id: string): Promise<User | undefined> {
    const row = await this.database
      .acrossTenants()
      .updateTable('users')
      .set((eb) => this.endOfLogins(eb))
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    return row && userOf(row);
  }

  /**
   * Another password, and with it, in the same moment, the end of all logins and tokens.
   * @returns undefined when the password is not `before` any more.
   */
  async changePassword(id: string, before: string, after: string): Promise<User | undefined> {
    const row = await this.database
      .acrossTenants()
      .updateTable('users')
      .set((eb) => ({ password_hash: after, ...this.endOfLogins(eb) }))
      .where('id', '=', id)
      .where('password_hash', '=', before)
      .returningAll()
      .executeTakeFirst();
    return row && userOf(row);
  }

  private endOfLogins(eb: ExpressionBuilder<Schema, 'users'>) {
    return { token_generation: eb('token_generation', '+', 1), logins_ended_at: this.database.now };
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
    email: user.email ?? user.id,
    password_hash: user.passwordHash,
    roles_json: JSON.stringify(user.roles),
    kind: user.kind ?? 'person',
  };
}
