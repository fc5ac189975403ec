import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import type { Owner } from '../../auth/principal.js';
import { Database, type Queryable } from '../../database/database.js';

const KEEP_MS = 86_400_000;

/** What a client calls a start by, so that saying it again does not do it again. */
export interface IdempotencyKey {
  key: string;
  /** Hash of the whole request: the same key with another request is a mistake. */
  fingerprint: string;
}

/** Idempotency keys of starts, for each user, for 24 hours. */
@Injectable()
export class IdempotencyRepository {
  constructor(private readonly database: Database) {}

  /**
   * Takes the key for a new run in the transaction that makes the run.
   * @returns undefined, or what the key was used for before; a start under way elsewhere is waited for.
   */
  async take(
    on: Queryable,
    owner: Owner,
    { key, fingerprint }: IdempotencyKey,
    runId: string,
  ): Promise<{ fingerprint: string; runId: string } | undefined> {
    await this.forgetOld(on, owner, key);
    const handle = this.database.of(owner, on);
    const { numInsertedOrUpdatedRows } = await handle
      .insertInto('idempotency_keys')
      .values({
        tenant_id: owner.tenantId,
        user_id: owner.userId,
        key,
        fingerprint,
        run_id: runId,
        created_at: this.database.now,
      })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 1n) return undefined;
    const row = await handle
      .selectFrom('idempotency_keys')
      .select(['fingerprint', 'run_id'])
      .where('user_id', '=', owner.userId)
      .where('key', '=', key)
      .executeTakeFirstOrThrow();
    return { fingerprint: row.fingerprint, runId: row.run_id };
  }

  /** The run that was started with the key; undefined: none that is remembered. */
  async find(owner: Owner, key: string): Promise<string | undefined> {
    const row = await this.database
      .of(owner)
      .selectFrom('idempotency_keys')
      .select('run_id')
      .where('user_id', '=', owner.userId)
      .where('key', '=', key)
      .executeTakeFirst();
    return row?.run_id;
  }

  private async forgetOld(on: Queryable, owner: Owner, key: string): Promise<void> {
    await this.database
      .of(owner, on)
      .deleteFrom('idempotency_keys')
      .where('user_id', '=', owner.userId)
      .where('key', '=', key)
      .where('created_at', '<', sql<number>`${this.database.now} - cast(${KEEP_MS} as integer)`)
      .execute();
  }
}
