import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../database/database.js';

/** Asks the database for nothing, to see whether it answers. */
@Injectable()
export class HealthRepository {
  private asking: Promise<unknown> | undefined;

  constructor(private readonly database: Database) {}

  /**
   * Returns when the database has answered; rejects with its error. A question that is still open is shared, so
   * that probes of a database that never answers do not use up its connections.
   */
  async ping(): Promise<void> {
    this.asking ??= sql`select 1`.execute(this.database.kysely).finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }
}
