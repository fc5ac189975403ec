import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AbortableQueryOptions, CompiledQuery } from 'kysely';
import { onEachDatabase, type OpenDatabase, openSqlite } from '../../../test/support/databases.js';
import { over } from '../../../test/support/over.js';
import { until } from '../../../test/support/until.js';
import type { Database, InProcess } from '../../database/database.js';
import { newId } from '../../database/ids.js';
import { type HearNotice, Notices, type NoticeTopic } from '../../database/notices.js';
import { PostgresDatabase } from '../../database/postgres/postgres-database.js';
import { AppError } from '../../errors/app-error.js';
import { describeEventLog } from '../event-log.contract.js';
import type { LogPage, LogWriter } from '../event-log.js';
import { lastSeq } from '../log-page.js';
import { placeEvents } from '../placed-event.js';
import { EndedRunRepository } from './ended-run.repository.js';
import { PageRepository } from './page.repository.js';
import { SqlEventLog } from './sql-event-log.js';

/** Notices between two nodes, which arrive in the next turn of the event loop. */
class NoticeHub {
  private readonly members: Member[] = [];

  join(): Notices {
    const member = new Member((from, id) => {
      for (const other of this.members) if (other !== from) setImmediate(() => other.hear([id]));
    });
    this.members.push(member);
    return member;
  }
}

class Member extends Notices {
  override readonly isLive = true;
  private readonly listeners: HearNotice[] = [];

  constructor(private readonly tell: (from: Member, id: string) => void) {
    super();
  }

  hear(ids: readonly string[]): void {
    for (const listener of this.listeners) listener(ids);
  }

  override send(_topic: NoticeTopic, id: string): void {
    this.tell(this, id);
  }

  override listen(_topic: NoticeTopic, hear: HearNotice): () => void {
    this.listeners.push(hear);
    return () => this.listeners.splice(this.listeners.indexOf(hear), 1);
  }
}

/** While it is broken, every other write arrives, but its answer is lost. */
class BreakableStore {
  queries = 0;
  poisoned: string | undefined;
  private isBroken = false;
  private writes = 0;

  constructor(readonly database: Database) {
    for (const handle of new Set([database.kysely, database.urgent])) this.standBefore(handle.getExecutor());
  }

  private standBefore(executor: ReturnType<Database['kysely']['getExecutor']>): void {
    const execute = executor.executeQuery.bind(executor);
    executor.executeQuery = async <R>(query: CompiledQuery<R>, options?: AbortableQueryOptions) => {
      this.queries += 1;
      const isWrite = query.sql.includes('insert into run_pages');
      if (isWrite && query.parameters.includes(this.poisoned)) throw new Error('invalid byte sequence');
      if (!this.isBroken || query.sql.startsWith('insert into "runs"')) return execute<R>(query, options);
      if (isWrite) this.writes += 1;
      if (isWrite && this.writes % 2 === 1) await execute<R>(query, options);
      throw new AppError('unavailable', 'away');
    };
  }

  /** Breaks with the database. */
  readonly engine: InProcess = {
    transaction: async (work, committed) => {
      if (this.isBroken) throw new AppError('unavailable', 'away');
      return this.database.inProcess!.transaction(work, committed);
    },
  };

  break(): void {
    this.isBroken = true;
  }

  heal(): void {
    this.isBroken = false;
  }
}

/** Two nodes on one database; two logs of one process, where it is exclusive. */
function bench(open: OpenDatabase, exclusive = false) {
  return async () => {
    const store = await open();
    const hub = new NoticeHub();
    const breakable = new BreakableStore(store);
    const inProcess = breakable.engine;
    const views = [hub.join(), hub.join()].map((notices) =>
      over(breakable.database, { exclusive, notices, inProcess }),
    );
    const [log, other] = views.map((view) => new SqlEventLog(view));
    return {
      log: log!,
      other: other!,
      setAttempt: (runId: string, attempt: number) => setAttempt(store, runId, attempt),
      breakStore: () => breakable.break(),
      healStore: () => breakable.heal(),
      queries: () => breakable.queries,
      poison: (runId: string) => (breakable.poisoned = runId),
      close: async () => {
        breakable.heal();
        await log!.close();
        await other!.close();
        await store.close();
      },
    };
  };
}

async function setAttempt(database: Database, runId: string, attempt: number): Promise<void> {
  const run = {
    id: runId,
    tenant_id: 'default',
    user_id: 'usr_1',
    session_id: `ses_${runId}`,
    number: 1,
    status: 'running',
    attempt,
    model: 'm',
    principal_json: '{}',
    on_disconnect: 'continue',
    usage_json: '{}',
    created_at: 1,
  };
  await database
    .acrossTenants()
    .insertInto('runs')
    .values(run)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ attempt }))
    .execute();
}

describeEventLog('the table behind a journal', bench(openSqlite, true));

onEachDatabase('the log in a database', (open) => {
  describeEventLog('the table', bench(open));

  it('costs one read when thousands of viewers return at once, wherever they were', async () => {
    const { log, other, setAttempt: set, close, ...store } = await bench(open)();
    const runId = newId('run');
    await set(runId, 1);
    const writer = await log.writer(runId, 1);
    for (let count = 0; count < 100; count += 1) void writer.append({ type: 'token', data: { text: 'a' } });
    await writer.flushed();
    const leave = new AbortController();
    const before = store.queries();
    const viewers = Array.from({ length: 2_000 }, async (_, index) => {
      const seq = 1 + (index % 100);
      expect(await other.has(runId, 1, seq)).toBe(true);
      for await (const pages of other.follow(runId, seq, leave.signal)) {
        if (lastSeq(pages.at(-1)!) === 100) return;
      }
    });
    const left = viewers.filter((_, index) => index % 100 < 99);
    await Promise.all(left);
    const cost = store.queries() - before;
    leave.abort();
    await Promise.all(viewers);
    await close();

    expect(cost).toBeLessThanOrEqual(3);
  });

  it('takes a page that the database refuses from its own run alone', async () => {
    const { log, setAttempt: set, close, ...store } = await bench(open)();
    const [bad, good] = [newId('run'), newId('run')];
    await set(bad, 1);
    await set(good, 1);
    const writers = [await log.writer(bad, 1), await log.writer(good, 1)];
    store.poison(bad);
    const outcomes = await Promise.allSettled(
      writers.map((writer) => writer.append({ type: 'token', data: { text: 'a' } })),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await log.end(good)).toEqual({ attempt: 1, seq: 1, type: 'token' });
    await close();
  });

  it('deletes the pages of runs that ended long ago, a few at a time, and of no others', async () => {
    const database = await open();
    const pages = new PageRepository(database);
    const ended = new EndedRunRepository(database);
    const endedAgo = [200_000, 100_000, 90_000, 1_000, undefined];
    const ids = endedAgo.map(() => newId('run'));
    const now = Date.now();
    for (const [index, ago] of endedAgo.entries()) {
      const runId = ids[index]!;
      await setAttempt(database, runId, 1);
      const ended_at = ago === undefined ? null : now - ago;
      await database.acrossTenants().updateTable('runs').set({ ended_at }).where('id', '=', runId).execute();
      const entries = [{ type: 'token' as const, data: '{"text":"a"}' }];
      await pages.insert([
        { runId, attempt: 1, firstSeq: 1, entries },
        { runId, attempt: 1, firstSeq: 2, entries },
      ]);
    }
    const first = await ended.trim(60_000, { id: '', endedAt: 0 }, 2);
    expect(first).toEqual({ id: ids[1], endedAt: now - 100_000 });
    const second = await ended.trim(60_000, first!, 2);
    expect(second).toEqual({ id: ids[2], endedAt: now - 90_000 });
    expect(await ended.trim(60_000, second!, 2)).toBeUndefined();

    const left = await pages.ends(ids);
    expect([...left.keys()].toSorted()).toEqual(ids.slice(3).toSorted());
    await database.close();
  });
});

const address = process.env['TEST_DATABASE_URL'];
if (address !== undefined && address !== '') {
  it('tells the readers of another process at once', async () => {
    const databases = [new PostgresDatabase(address), new PostgresDatabase(address)] as const;
    for (const database of databases) await database.open();
    const [log, other] = [new SqlEventLog(databases[0]), new SqlEventLog(databases[1])];
    await until('both hear', () => databases.every(({ notices }) => notices.isLive));
    const runId = newId('run');
    await setAttempt(databases[0], runId, 1);
    const writer = await log.writer(runId, 1);
    const follower = other.follow(runId, 0, new AbortController().signal)[Symbol.asyncIterator]();
    const delays: number[] = [];
    for (let count = 0; count < 100; count += 1) {
      const next = follower.next();
      const began = performance.now();
      await writer.append({ type: 'token', data: { text: 'a' } });
      await next;
      delays.push(performance.now() - began);
    }
    const [median, p99] = [50, 98].map((index) => delays.toSorted((a, b) => a - b)[index] ?? 0);
    process.stdout.write(
      `PostgreSQL: append to the reader of another process, median ${median?.toFixed(1)} ms, p99 ${p99?.toFixed(1)} ms\n`,
    );
    await follower.return?.();
    writer.close();
    await Promise.all([log.close(), other.close()]);
    await Promise.all(databases.map((database) => database.close()));

    expect(median).toBeLessThan(200);
  });
}

describe('a reader of a run that has said one thing', () => {
  let database: Database;
  let log: SqlEventLog;
  let writer: LogWriter;
  let reader: AsyncIterableIterator<LogPage[], void>;
  const runId = newId('run');

  beforeEach(async () => {
    database = await openSqlite();
    log = new SqlEventLog(database);
    await setAttempt(database, runId, 1);
    writer = await log.writer(runId, 1);
    await writer.append({ type: 'token', data: { text: 'a' } });
    reader = log.follow(runId, 0, new AbortController().signal);
    expect([...placeEvents((await reader.next()).value ?? [])]).toHaveLength(1);
  });
  afterEach(async () => {
    writer.close();
    await database.close();
  });

  it('is let go when the run is removed', async () => {
    const more = reader.next();
    writer.close();
    await log.remove(runId);

    expect(await more).toEqual({ done: true, value: undefined });
  });

  it('is let go when it leaves while it waits, and is handed nothing more', async () => {
    const waiting = reader.next();
    await reader.return?.();
    await writer.append({ type: 'token', data: { text: 'b' } });

    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});
