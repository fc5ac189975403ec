import { Injectable } from '@nestjs/common';
import { type Selectable, sql } from 'kysely';
import { Database, KeptQuery, type OfTenant, type Queryable } from '../database/database.js';
import type { MessagesTable } from '../database/schema.js';
import type { Block, Compaction, LastMessage, Message, NewMessage } from './message.js';

type NewRow = Record<'id' | 'session_id' | 'run_id' | 'role' | 'content_json', string> &
  Record<'run_number' | 'position' | 'has_parts', number> &
  Record<'stop_reason' | 'prefix_hash', string | null> & { created_at: number | null };

const APPEND = new KeptQuery((tables, row: NewRow, { database }) =>
  tables
    .insertInto('messages')
    .values({
      id: row.id,
      session_id: row.session_id,
      run_id: row.run_id,
      run_number: row.run_number,
      position: row.position,
      role: row.role,
      content_json: row.content_json,
      has_parts: row.has_parts,
      stop_reason: row.stop_reason,
      prefix_hash: row.prefix_hash,
      created_at: sql<number>`coalesce(cast(${row.created_at} as bigint), ${database.now})`,
    })
    .onConflict((conflict) => conflict.column('id').doNothing()),
);

/** The only SQL about messages. Who asks has checked that the session is theirs; another tenant's is never found. */
@Injectable()
export class MessageRepository {
  constructor(private readonly database: Database) {}

  /** Appends, once however often it is said; call it in the transaction that checks the run's attempt. */
  async append(owner: OfTenant, on: Queryable, message: NewMessage): Promise<void> {
    const row = {
      id: message.id,
      session_id: message.sessionId,
      run_id: message.runId,
      run_number: message.runNumber,
      position: message.position,
      role: message.role,
      content_json: JSON.stringify(message.content),
      has_parts: message.hasParts ? 1 : 0,
      stop_reason: message.stopReason,
      prefix_hash: message.prefixHash ?? null,
      created_at: message.createdAt ?? null,
    };
    await APPEND.ask(this.database, owner, row, on);
  }

  /** What a run and its user said, oldest first. */
  async listOfRun(owner: OfTenant, runId: string): Promise<Message[]> {
    const rows = await this.database
      .of(owner)
      .selectFrom('messages')
      .selectAll()
      .where('run_id', '=', runId)
      .orderBy('position')
      .execute();
    return Promise.all(rows.map((row) => this.toMessage(owner, row)));
  }

  /** Stores the next piece of a message's text that is at `place` among its texts, before the message exists. */
  async savePart(messageId: string, place: number, position: number, text: string): Promise<void> {
    await this.database
      .acrossTenants()
      .insertInto('message_parts')
      .values({ message_id: messageId, block: place, position, text: JSON.stringify(text) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** The conversation up to and with the given run of it, after a place in it, oldest first. */
  async list(
    owner: OfTenant,
    sessionId: string,
    upToRun?: number,
    after?: Pick<Compaction, 'runNumber' | 'position'>,
  ): Promise<Message[]> {
    let query = this.database
      .of(owner)
      .selectFrom('messages')
      .selectAll()
      .where('session_id', '=', sessionId)
      .orderBy('run_number')
      .orderBy('position');
    if (upToRun !== undefined) query = query.where('run_number', '<=', upToRun);
    if (after !== undefined) {
      const { runNumber, position } = after;
      query = query.where((is) =>
        is.or([
          is('run_number', '>', runNumber),
          is.and([is('run_number', '=', runNumber), is('position', '>', position)]),
        ]),
      );
    }
    const messages: Message[] = [];
    for (const row of await query.execute()) messages.push(await this.toMessage(owner, row));
    return messages;
  }

  /** What a run's model said last, whole; undefined when it has said nothing. */
  async findLastAnswer(owner: OfTenant, runId: string): Promise<Message | undefined> {
    const row = await this.database
      .of(owner)
      .selectFrom('messages')
      .selectAll()
      .where('run_id', '=', runId)
      .where('role', '=', 'assistant')
      .orderBy('position', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && this.toMessage(owner, row);
  }

  /** The first messages of a conversation, without the parts of their long texts. */
  async listFirst(
    owner: OfTenant,
    sessionId: string,
    limit: number,
  ): Promise<Pick<Message, 'role' | 'content'>[]> {
    const rows = await this.database
      .of(owner)
      .selectFrom('messages')
      .select(['role', 'content_json'])
      .where('session_id', '=', sessionId)
      .orderBy('run_number')
      .orderBy('position')
      .limit(limit)
      .execute();
    return rows.map((row) => ({
      role: row.role as Message['role'],
      content: JSON.parse(row.content_json) as Block[],
    }));
  }

  /** The last message of a run, without the parts of its long texts. */
  async findLast(owner: OfTenant, runId: string, on?: Queryable): Promise<LastMessage | undefined> {
    const row = await this.database
      .of(owner, on)
      .selectFrom('messages')
      .select(['position', 'role', 'content_json', 'has_parts', 'stop_reason'])
      .where('run_id', '=', runId)
      .orderBy('position', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const content = JSON.parse(row.content_json) as Block[];
    return {
      position: row.position,
      role: row.role as Message['role'],
      content,
      hasParts: row.has_parts === 1,
      stopReason: row.stop_reason,
    };
  }

  /** Stores a summary; said twice, it is one. */
  async addCompaction(owner: OfTenant, on: Queryable, compaction: Compaction): Promise<void> {
    await this.database
      .of(owner, on)
      .insertInto('compactions')
      .values({
        id: compaction.id,
        session_id: compaction.sessionId,
        run_id: compaction.runId,
        run_number: compaction.runNumber,
        position: compaction.position,
        summary: compaction.summary,
        created_at: this.database.now,
      })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  }

  /** The summary that reaches furthest, but not beyond `upTo`. */
  async findCompaction(
    owner: OfTenant,
    sessionId: string,
    upTo?: Pick<Message, 'runNumber' | 'position'>,
  ): Promise<Compaction | undefined> {
    let query = this.database
      .of(owner)
      .selectFrom('compactions')
      .selectAll()
      .where('session_id', '=', sessionId);
    if (upTo !== undefined) {
      const { runNumber, position } = upTo;
      query = query.where((is) =>
        is.or([
          is('run_number', '<', runNumber),
          is.and([is('run_number', '=', runNumber), is('position', '<=', position)]),
        ]),
      );
    }
    const row = await query
      .orderBy('run_number', 'desc')
      .orderBy('position', 'desc')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
    return (
      row && {
        id: row.id,
        sessionId: row.session_id,
        runId: row.run_id,
        runNumber: row.run_number,
        position: row.position,
        summary: row.summary,
      }
    );
  }

  /** Says of what the user said in a run in which nobody has answered why that is so. */
  async markUnanswered(owner: OfTenant, on: Queryable, runId: string, why: string): Promise<void> {
    const handle = this.database.of(owner, on);
    const isAnswered = handle
      .selectFrom('messages')
      .select('id')
      .where('run_id', '=', runId)
      .where('role', '=', 'assistant');
    await handle
      .updateTable('messages')
      .set({ stop_reason: why })
      .where('run_id', '=', runId)
      .where((is) => is.not(is.exists(isAnswered)))
      .execute();
  }

  /** Takes back what a run that never began was to say. */
  async withdraw(owner: OfTenant, on: Queryable, runId: string): Promise<void> {
    await this.database.of(owner, on).deleteFrom('messages').where('run_id', '=', runId).execute();
  }

  async deleteAll(owner: OfTenant, on: Queryable, sessionId: string): Promise<void> {
    const handle = this.database.of(owner, on);
    const ids = handle.selectFrom('messages').select('id').where('session_id', '=', sessionId);
    await handle.deleteFrom('message_parts').where('message_id', 'in', ids).execute();
    await handle.deleteFrom('compactions').where('session_id', '=', sessionId).execute();
    await handle.deleteFrom('messages').where('session_id', '=', sessionId).execute();
  }

  private async toMessage(owner: OfTenant, row: Selectable<MessagesTable>): Promise<Message> {
    const content = JSON.parse(row.content_json) as Block[];
    if (row.has_parts === 1) await this.addParts(owner, row.id, content);
    return {
      id: row.id,
      sessionId: row.session_id,
      runId: row.run_id,
      role: row.role as Message['role'],
      content,
      stopReason: row.stop_reason,
      createdAt: row.created_at,
      runNumber: row.run_number,
      position: row.position,
      prefixHash: row.prefix_hash ?? null,
    };
  }

  private async addParts(owner: OfTenant, messageId: string, content: Block[]): Promise<void> {
    const parts = await this.database
      .of(owner)
      .selectFrom('message_parts')
      .select(['block', 'text'])
      .where('message_id', '=', messageId)
      .orderBy('block')
      .orderBy('position')
      .execute();
    const texts = content.filter((block) => block.type === 'text');
    for (const [place, block] of texts.entries()) {
      const begun = parts.filter((part) => part.block === place);
      block['text'] = [...begun.map((part) => JSON.parse(part.text) as string), block['text']].join('');
    }
  }
}
