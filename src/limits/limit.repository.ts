import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type Queryable } from '../database/database.js';
import type { WindowAsk, WindowGrant } from './rate-windows.js';
import { grantOf, RATION } from './share.js';
import type { SlotClaim } from './slots.js';

/** Milliseconds after which a holder that does not say that it is alive holds nothing any more. */
export const HOLDER_MS = 15_000;
/** Milliseconds for which a row is kept that counts nothing any more. */
const KEEP_MS = 3_600_000;

/** What all nodes share of the limits. Times are the database's, so that clocks of nodes may differ. */
@Injectable()
export class LimitRepository {
  constructor(private readonly database: Database) {}

  /** Takes a share of a window, or what is needed, or nothing: in one statement, so nobody gets what another has. */
  async take({ scope, limit, windowMs, need, share }: WindowAsk): Promise<WindowGrant> {
    const { now, kysely } = this.database;
    const first = grantOf(limit, need, share);
    // Said once a statement: a clock that is asked twice may say before and after the end.
    const isOn = sql`limit_counters.ends_at > excluded.ends_at - ${whole(windowMs)}`;
    const used = sql`case when ${isOn} then limit_counters.used else 0 end`;
    const left = sql`(${whole(limit)} - ${used})`;
    const ration = sql`${left} / ${whole(RATION)}`;
    const plenty = sql`case when ${ration} < ${whole(share)} then ${ration} else ${whole(share)} end`;
    const granted = sql<number>`case when ${left} < ${whole(need)} then 0
      when ${plenty} < ${whole(need)} then ${whole(need)} else ${plenty} end`;
    const row = await kysely
      .insertInto('limit_counters')
      .values({ scope, used: first, granted: first, ends_at: sql<number>`${now} + ${whole(windowMs)}` })
      .onConflict((conflict) =>
        conflict.column('scope').doUpdateSet({
          used: sql<number>`${used} + ${granted}`,
          granted,
          ends_at: sql<number>`case when ${isOn} then limit_counters.ends_at else excluded.ends_at end`,
        }),
      )
      .returning(['used', 'granted', sql<number>`ends_at - ${now}`.as('ends_in')])
      .executeTakeFirstOrThrow();
    return { granted: row.granted, left: Math.max(0, limit - row.used), endsInMs: row.ends_in };
  }

  /** Takes back what was counted, where its window is still on. */
  async giveBack(scope: string, amount: number): Promise<void> {
    await this.database.kysely
      .updateTable('limit_counters')
      .set({ used: sql<number>`used - ${whole(amount)}` })
      .where('scope', '=', scope)
      .where('used', '>=', amount)
      .execute();
  }

  async forget(scope: string): Promise<void> {
    await this.database.kysely.deleteFrom('limit_counters').where('scope', '=', scope).execute();
  }

  /** Adds slots to what the holder has. One after the other for each scope, so that the sum is known. */
  async claim(holder: string, { scope, limit, held, share }: SlotClaim): Promise<number> {
    return this.database.transaction(async (trx) => {
      await this.lock(trx, scope);
      const { others } = await trx
        .selectFrom('limit_slots')
        .innerJoin('limit_holders', 'limit_holders.id', 'limit_slots.holder')
        .select(sql<number>`cast(coalesce(sum(slots), 0) as bigint)`.as('others'))
        .where('scope', '=', scope)
        .where('holder', '<>', holder)
        .where('limit_holders.expires_at', '>', this.database.now)
        .executeTakeFirstOrThrow();
      const added = grantOf(limit - others - held, 1, share);
      if (added > 0) await this.write(trx, holder, scope, held + added);
      return added;
    });
  }

  async keep(holder: string, scope: string, slots: number): Promise<void> {
    const { kysely } = this.database;
    if (slots > 0) return this.write(kysely, holder, scope, slots);
    await kysely.deleteFrom('limit_slots').where('scope', '=', scope).where('holder', '=', holder).execute();
  }

  /** The holder is alive. */
  async beat(holder: string): Promise<void> {
    const { now, kysely } = this.database;
    await kysely
      .insertInto('limit_holders')
      .values({ id: holder, expires_at: sql<number>`${now} + ${whole(HOLDER_MS)}` })
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({ expires_at: sql<number>`excluded.expires_at` }),
      )
      .execute();
  }

  /** The holder holds nothing any more. */
  async leave(holder: string): Promise<void> {
    const { kysely } = this.database;
    await kysely.deleteFrom('limit_slots').where('holder', '=', holder).execute();
    await kysely.deleteFrom('limit_holders').where('id', '=', holder).execute();
  }

  /** Forgets windows that are long over, and holders that are long dead. */
  async deleteEnded(): Promise<void> {
    const { now, kysely } = this.database;
    const longAgo = sql<number>`${now} - ${whole(KEEP_MS)}`;
    await kysely.deleteFrom('limit_counters').where('ends_at', '<', longAgo).execute();
    const dead = kysely.selectFrom('limit_holders').select('id').where('expires_at', '<', longAgo);
    await kysely.deleteFrom('limit_slots').where('holder', 'in', dead).execute();
    await kysely.deleteFrom('limit_holders').where('expires_at', '<', longAgo).execute();
  }

  /** Holds everybody else who locks this scope until the transaction is over. */
  async lock(trx: Queryable, scope: string): Promise<void> {
    await trx
      .insertInto('limit_counters')
      .values({ scope, used: 0, granted: 0, ends_at: this.database.now })
      .onConflict((conflict) =>
        conflict.column('scope').doUpdateSet({ ends_at: sql<number>`excluded.ends_at` }),
      )
      .execute();
  }

  private async write(on: Queryable, holder: string, scope: string, slots: number): Promise<void> {
    await on
      .insertInto('limit_slots')
      .values({ scope, holder, slots })
      .onConflict((conflict) =>
        conflict.columns(['scope', 'holder']).doUpdateSet({ slots: sql<number>`excluded.slots` }),
      )
      .execute();
  }
}

/** Drivers send numbers as they like; divided, only whole ones stay whole. */
function whole(value: number) {
  return sql<number>`cast(${value} as bigint)`;
}
