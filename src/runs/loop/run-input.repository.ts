import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database, type OfTenant, type Queryable } from '../../database/database.js';
import type { Block } from '../../sessions/message.js';
import type { Run } from '../run.js';

/** A message that was sent to a run while it worked. */
export interface RunInput {
  messageId: string;
  content: Block[];
}

/**
 * Messages that join a run while it works (`when_busy: steer`). A run counts what was sent to it: its owner learns
 * from the count that there is something to take in, and can end the run only when it has seen all.
 */
@Injectable()
export class RunInputRepository {
  constructor(private readonly database: Database) {}

  /** Counts a message for the session's active run. @returns its id; undefined when no run takes messages. */
  async announce(owner: OfTenant, on: Queryable, sessionId: string): Promise<string | undefined> {
    const row = await this.database
      .of(owner, on)
      .updateTable('runs')
      .set({ inputs: sql<number>`inputs + 1` })
      .where('session_id', '=', sessionId)
      .where('status', 'in', ['running', 'waiting'])
      .where('steerable_attempt', '=', sql<number>`attempt`)
      .where('cancel_requested_at', 'is', null)
      .returning('id')
      .executeTakeFirst();
    return row?.id;
  }

  async add(owner: OfTenant, on: Queryable, runId: string, { messageId, content }: RunInput): Promise<void> {
    await this.database
      .of(owner, on)
      .insertInto('run_inputs')
      .values({
        message_id: messageId,
        run_id: runId,
        content_json: JSON.stringify(content),
        created_at: this.database.now,
      })
      .execute();
  }

  /**
   * What waits to join the run, and how many messages it was sent in all. Counted first: whatever comes in between
   * may be among the messages already, but never only in the count.
   */
  async look(run: Pick<Run, 'id' | 'tenantId'>): Promise<{ announced: number; inputs: RunInput[] }> {
    const row = await this.database
      .of(run)
      .selectFrom('runs')
      .select('inputs')
      .where('id', '=', run.id)
      .executeTakeFirst();
    return { announced: row?.inputs ?? 0, inputs: await this.list(run) };
  }

  /** What waits to join the run, oldest first. */
  async list(run: Pick<Run, 'id' | 'tenantId'>, on?: Queryable): Promise<RunInput[]> {
    const rows = await this.database
      .of(run, on)
      .selectFrom('run_inputs')
      .select(['message_id', 'content_json'])
      .where('run_id', '=', run.id)
      .orderBy('message_id')
      .execute();
    return rows.map((row) => ({
      messageId: row.message_id,
      content: JSON.parse(row.content_json) as Block[],
    }));
  }

  /** They have joined the conversation. */
  async delete(owner: OfTenant, on: Queryable, inputs: readonly RunInput[]): Promise<void> {
    const ids = inputs.map(({ messageId }) => messageId);
    if (ids.length > 0)
      await this.database.of(owner, on).deleteFrom('run_inputs').where('message_id', 'in', ids).execute();
  }

  /** From now on the run takes no messages. @returns false when one came that its owner has not seen. */
  async close(run: Run, seen: number): Promise<boolean> {
    const { numUpdatedRows } = await this.database
      .of(run)
      .updateTable('runs')
      .set({ steerable_attempt: null })
      .where('id', '=', run.id)
      .where('attempt', '=', run.attempt)
      .where('inputs', '=', seen)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  }
}
