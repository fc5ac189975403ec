import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../../database/database.js';
import { BEGUN_SECONDS } from './begun-sign-in.js';

/** Whom identity providers mean (`identities`), and which sign-ins have come back (among the `logins`). */
@Injectable()
export class IdentityRepository {
  constructor(private readonly database: Database) {}

  /** The id of the user whom the provider means. */
  async find(issuer: string, subject: string): Promise<string | undefined> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('identities')
      .select('user_id')
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst();
    return row?.user_id;
  }

  /** Whether the provider means the user by some subject. */
  async isKnown(issuer: string, userId: string): Promise<boolean> {
    const row = await this.database
      .acrossTenants()
      .selectFrom('identities')
      .select('user_id')
      .where('issuer', '=', issuer)
      .where('user_id', '=', userId)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * The id of the user whom the provider means from now on: the given one, unless somebody was first.
   * @returns undefined when the provider means that user by another subject.
   */
  async bind(issuer: string, subject: string, userId: string): Promise<string | undefined> {
    await this.database
      .acrossTenants()
      .insertInto('identities')
      .values({ issuer, subject, user_id: userId, created_at: this.database.now })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    return this.find(issuer, subject);
  }

  async unbind(issuer: string, subject: string, userId: string): Promise<void> {
    await this.database
      .acrossTenants()
      .deleteFrom('identities')
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .where('user_id', '=', userId)
      .execute();
  }

  /**
   * Marks a sign-in as come back; false when it was already. The mark stands among the logins, as one of nobody, and
   * goes with those that have ended: after that time the sign-in itself is over.
   */
  async spend(stateHash: string): Promise<boolean> {
    const { now, kysely } = this.database;
    const row = await kysely
      .insertInto('logins')
      .values({
        id_hash: stateHash,
        user_id: null,
        data_json: '{}',
        created_at: now,
        expires_at: sql<number>`${now} + ${sql.lit(2 * BEGUN_SECONDS * 1000)}`,
      })
      .onConflict((conflict) => conflict.column('id_hash').doNothing())
      .returning('id_hash')
      .executeTakeFirst();
    return row !== undefined;
  }
}
