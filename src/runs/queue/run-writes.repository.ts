import { sql } from 'kysely';
import { KeptQuery } from '../../database/database.js';

/** Milliseconds that a run may be without viewers before it counts as left. */
export const LEFT_AFTER_MS = 10_000;

type NewRow = Record<'id' | 'user_id' | 'session_id' | 'owner' | 'model', string> &
  Record<'principal_json' | 'on_disconnect' | 'usage_json', string> &
  Record<'agent' | 'parent_run_id' | 'parent_call_id' | 'root_run_id' | 'key_id', string | null> & {
    lease_ms: number;
  };

/** Where nothing is changed the attempt is over. */
type Change = Record<'id' | 'usage_json', string> &
  Record<'attempt' | 'cost_micro_usd' | 'cost_unknown', number>;
type Checkpoint = Change & Record<'checkpoint_seq' | 'turns', number>;
type End = Change &
  Record<'status' | 'last_event_id', string> &
  Record<'stop_reason' | 'error_code', string | null>;

/** What every run writes into its row. */
export const runWrites = {
  /** As the last run of its session, whose row the transaction has locked. */
  insert: new KeptQuery((tables, row: NewRow, { tenantId, database: { now } }) =>
    tables
      .insertInto('runs')
      .values({
        id: row.id,
        tenant_id: tenantId,
        user_id: row.user_id,
        session_id: row.session_id,
        number: tables
          .selectFrom('runs')
          .select(sql<number>`coalesce(max(number), 0) + 1`.as('next'))
          .where('session_id', '=', row.session_id),
        status: 'queued',
        attempt: 1,
        owner: row.owner,
        lease_until: sql<number>`${now} + cast(${row.lease_ms} as integer)`,
        model: row.model,
        principal_json: row.principal_json,
        on_disconnect: row.on_disconnect,
        watched_until: sql<number | null>`case when cast(${row.on_disconnect} as text) = 'cancel'
          then ${now} + cast(${LEFT_AFTER_MS} as integer) end`,
        usage_json: row.usage_json,
        agent: row.agent,
        parent_run_id: row.parent_run_id,
        parent_call_id: row.parent_call_id,
        root_run_id: row.root_run_id,
        key_id: row.key_id,
        created_at: now,
      })
      .returningAll(),
  ),

  checkpoint: new KeptQuery((tables, run: Checkpoint) =>
    tables
      .updateTable('runs')
      .set({
        checkpoint_seq: run.checkpoint_seq,
        turns: run.turns,
        usage_json: run.usage_json,
        cost_micro_usd: run.cost_micro_usd,
        cost_unknown: run.cost_unknown,
      })
      .where('id', '=', run.id)
      .where('attempt', '=', run.attempt)
      .returning('inputs'),
  ),

  end: new KeptQuery((tables, run: End, { database }) =>
    tables
      .updateTable('runs')
      .set({
        status: run.status,
        stop_reason: run.stop_reason,
        error_code: run.error_code,
        usage_json: run.usage_json,
        cost_micro_usd: run.cost_micro_usd,
        cost_unknown: run.cost_unknown,
        last_event_id: run.last_event_id,
        lease_until: null,
        ended_at: sql<number>`coalesce(ended_at, ${database.now})`,
      })
      .where('id', '=', run.id)
      .where('attempt', '=', run.attempt)
      .returning('inputs'),
  ),
};
