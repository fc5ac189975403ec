import { Injectable } from '@nestjs/common';
import { sql } from 'kysely';
import { Database } from '../../database/database.js';
import { isSessionShownTo } from '../../database/shown-to.js';
import type { Owner } from '../principal.js';

export const TICKET_SECONDS = 30;

interface StoredTicket {
  sessionId: string;
  principalJson: string;
}

/** The only SQL about tickets. They are known by their SHA-256; time is the database's. */
@Injectable()
export class TicketRepository {
  constructor(private readonly database: Database) {}

  /** False when the owner has no such session, nor is shown it; looked up and written in one statement. */
  async insert(hash: string, sessionId: string, owner: Owner, principalJson: string): Promise<boolean> {
    const { now } = this.database;
    const row = await this.database
      .of(owner)
      .insertInto('tickets')
      .columns(['ticket_hash', 'session_id', 'principal_json', 'expires_at'])
      .expression((eb) =>
        eb
          .selectFrom('sessions')
          .select([
            sql<string>`cast(${hash} as text)`.as('ticket_hash'),
            'sessions.id as session_id',
            sql<string>`cast(${principalJson} as text)`.as('principal_json'),
            sql<number>`${now} + ${sql.lit(TICKET_SECONDS * 1000)}`.as('expires_at'),
          ])
          .where('sessions.id', '=', sessionId)
          .where((is) => is.or([is('sessions.user_id', '=', owner.userId), isSessionShownTo(owner.userId)])),
      )
      .returning('ticket_hash')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Uses the ticket up: of two calls at once, one gets it. */
  async take(hash: string): Promise<StoredTicket | undefined> {
    const { now, kysely } = this.database;
    const row = await kysely
      .deleteFrom('tickets')
      .where('ticket_hash', '=', hash)
      .where('expires_at', '>', now)
      .returning(['session_id', 'principal_json'])
      .executeTakeFirst();
    return row && { sessionId: row.session_id, principalJson: row.principal_json };
  }

  async deleteExpired(): Promise<void> {
    const { now, kysely } = this.database;
    await kysely.deleteFrom('tickets').where('expires_at', '<=', now).execute();
  }
}
