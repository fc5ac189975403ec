import { Injectable } from '@nestjs/common';
import { Database, type OfTenant, type Queryable } from '../database/database.js';
import type { ToolSpec } from '../model/language-model.js';

/** What stands before a conversation: the same from a run's first answer to its end. */
export interface StoredFrame {
  system: string | null;
  tools: ToolSpec[];
}

/** What runs that go on after an answer have asked their model with, for whoever takes them over. */
@Injectable()
export class FrameRepository {
  constructor(private readonly database: Database) {}

  async find(owner: OfTenant, runId: string): Promise<StoredFrame | undefined> {
    const row = await this.database
      .of(owner)
      .selectFrom('run_frames')
      .select('frame_json')
      .where('run_id', '=', runId)
      .executeTakeFirst();
    return row && (JSON.parse(row.frame_json) as StoredFrame);
  }

  /** The first that is stored stays. */
  async save(owner: OfTenant, on: Queryable, runId: string, { system, tools }: StoredFrame): Promise<void> {
    await this.database
      .of(owner, on)
      .insertInto('run_frames')
      .values({ run_id: runId, frame_json: JSON.stringify({ system, tools }) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** The run is over. */
  async delete(owner: OfTenant, on: Queryable, runId: string): Promise<void> {
    await this.database.of(owner, on).deleteFrom('run_frames').where('run_id', '=', runId).execute();
  }
}
