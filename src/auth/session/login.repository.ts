import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../../database/database.js';
import { hasCode } from '../../errors/app-error.js';
import { type User, USER_COLUMNS, userOf } from '../user.js';

export const IDLE_MS = 24 * 3_600_000;
export const ABSOLUTE_MS = 7 * 24 * 3_600_000;
const TOUCH_EVERY_MS = 60_000;

export interface StoredLogin {
  /** SHA-256 of the id in the cookie. */
  id: string;
  /** What express-session keeps, as JSON. */
  data: string;
  createdAt: number;
  expiresAt: number;
}

/**
 * Login sessions, known by the SHA-256 of their id; time is the database's. Sign-ins that have come back stand among
 * them, as rows of nobody (`IdentityRepository`).
 */
@Injectable()
export class LoginRepository {
  constructor(private readonly database: Database) {}

  /** Idle for 24 h at most, and never older than 7 days (OWASP ASVS 5.0 V7.3). */
  async insert(idHash: string, userId: string, data: string): Promise<void> {
    const { now, kysely } = this.database;
    await kysely
      .insertInto('logins')
      .values({
        id_hash: idHash,
        user_id: userId,
        data_json: data,
        created_at: now,
        expires_at: sql<number>`${now} + ${IDLE_MS}`,
      })
      .onConflict((conflict) => conflict.column('id_hash').doNothing())
      .execute();
  }

  /**
   * The data of a login that has not ended, and its account as it is now. To use it prolongs it, written once a minute
   * at most.
   */
  async use(idHash: string): Promise<{ data: string; account: User } | undefined> {
    const { now } = this.database;
    const row = await this.database
      .acrossTenants()
      .selectFrom('logins')
      .innerJoin('users', 'users.id', 'logins.user_id')
      .select(USER_COLUMNS)
      .select(['logins.data_json', 'logins.created_at as begun_at', 'logins.expires_at', now.as('now')])
      .where('logins.id_hash', '=', idHash)
      .where('logins.expires_at', '>', now)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const expiresAt = Math.min(row.now + IDLE_MS, row.begun_at + ABSOLUTE_MS);
    if (expiresAt - row.expires_at >= TOUCH_EVERY_MS) await this.prolong(idHash, expiresAt);
    return { data: row.data_json, account: userOf(row) };
  }

  /** A full disk ends no login: it is prolonged when there is space again. */
  private async prolong(idHash: string, expiresAt: number): Promise<void> {
    try {
      await this.database.kysely
        .updateTable('logins')
        .set({ expires_at: expiresAt })
        .where('id_hash', '=', idHash)
        .execute();
    } catch (error) {
      if (!hasCode(error, 'storage_full')) throw error;
    }
  }

  async delete(idHash: string): Promise<void> {
    await this.database.kysely.deleteFrom('logins').where('id_hash', '=', idHash).execute();
  }

  /** Those of the user that have not ended, newest first. */
  async listOfUser(userId: string): Promise<StoredLogin[]> {
    const rows = await this.database.kysely
      .selectFrom('logins')
      .select(['id_hash', 'data_json', 'created_at', 'expires_at'])
      .where('user_id', '=', userId)
      .where('expires_at', '>', this.database.now)
      .orderBy('created_at', 'desc')
      .orderBy('id_hash')
      .execute();
    return rows.map((row) => ({
      id: row.id_hash,
      data: row.data_json,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
    }));
  }

  /** Ends one login of the user; false when there is none of that id. */
  async deleteOne(userId: string, idHash: string): Promise<boolean> {
    const row = await this.database.kysely
      .deleteFrom('logins')
      .where('user_id', '=', userId)
      .where('id_hash', '=', idHash)
      .returning('id_hash')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Ends all logins of the user; tells which. */
  async deleteOfUser(userId: string): Promise<string[]> {
    const rows = await this.database.kysely
      .deleteFrom('logins')
      .where('user_id', '=', userId)
      .returning('id_hash')
      .execute();
    return rows.map((row) => row.id_hash);
  }

  /** Those of the ids that have not ended. */
  async aliveAmong(idHashes: readonly string[]): Promise<string[]> {
    const rows = await this.database.kysely
      .selectFrom('logins')
      .select('id_hash')
      .where('id_hash', 'in', idHashes)
      .where('expires_at', '>', this.database.now)
      .execute();
    return rows.map((row) => row.id_hash);
  }

  async deleteExpired(): Promise<void> {
    const { now, kysely } = this.database;
    await kysely.deleteFrom('logins').where('expires_at', '<=', now).execute();
  }
}
