import { describe, expect, it } from '@jest/globals';
import { newId } from '../../database/ids.js';
import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import { PostgresDatabase } from '../../database/postgres/postgres-database.js';
import type { Database } from '../../database/database.js';
import { describeEventLog } from '../event-log.contract.js';
import { placeEvents } from '../placed-event.js';
import type { RunEvent } from '../run-event.js';
import { SqlEventLog } from './sql-event-log.js';

const DONE: RunEvent & { type: 'done' } = {
  type: 'done',
  data: {
    status: 'completed',
    stop_reason: null,
    usage: {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
      model_calls: 0,
      estimated: false,
    },
    cost_usd: null,
  },
};

async function bench(database: Database) {
  await database.open();
  return {
    log: new SqlEventLog(database),
    setAttempt: (runId: string, attempt: number) => setAttempt(database, runId, attempt),
    close: () => database.close(),
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
  await database.kysely
    .insertInto('runs')
    .values(run)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ attempt }))
    .execute();
}

describeEventLog('SQLite', () => bench(new SqliteDatabase(IN_MEMORY)));

it('lets go who reads a run that is removed', async () => {
  const { log, setAttempt: set, close } = await bench(new SqliteDatabase(IN_MEMORY));
  const runId = newId('run');
  await set(runId, 1);
  const writer = await log.writer(runId, 1);
  await writer.append({ type: 'token', data: { text: 'a' } });
  const reader = log.follow(runId, 0, new AbortController().signal);
  expect([...placeEvents((await reader.next()).value ?? [])]).toHaveLength(1);
  const more = reader.next();
  writer.close();
  await log.remove(runId);

  expect(await more).toEqual({ done: true, value: undefined });
  await close();
});

const postgres = process.env['TEST_DATABASE_URL'];
if (postgres !== undefined) {
  describeEventLog('PostgreSQL', () => bench(new PostgresDatabase(postgres)));
  describe('two processes on one PostgreSQL', () => tellOfTwo(postgres));
}

function tellOfTwo(address: string): void {
  it('show the same list to the viewers of both, also when the run moves over and back', async () => {
    const [first, second] = [new PostgresDatabase(address), new PostgresDatabase(address)];
    await first.open();
    const logs = [new SqlEventLog(first), new SqlEventLog(second)] as const;
    const runId = newId('run');
    const stay = new AbortController().signal;
    const read = async (log: SqlEventLog, after = 0) => {
      const seen: string[] = [];
      for await (const pages of log.follow(runId, after, stay)) {
        for (const { attempt, seq, type } of placeEvents(pages)) seen.push(`${attempt}.${seq} ${type}`);
      }
      return seen;
    };
    const readers = logs.flatMap((log) => [read(log), read(log)]);
    for (const [index, log] of [...logs, logs[0]].entries()) {
      await setAttempt(first, runId, index + 1);
      const writer = await log.writer(runId, index + 1);
      await writer.append({ type: 'token', data: { text: 'a' } });
      readers.push(read(logs[1], 0));
      await writer.append({ type: 'token', data: { text: 'b' } });
      if (index === 2) await writer.end(DONE, async () => undefined);
      writer.close();
    }

    const expected = ['1.1', '1.2', '2.3', '2.4', '3.5', '3.6'].map((place) => `${place} token`);
    for (const seen of await Promise.all(readers)) expect(seen).toEqual([...expected, '3.7 done']);
    await Promise.all([first.close(), second.close()]);
  });
}
