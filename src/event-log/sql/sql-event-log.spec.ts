import { IN_MEMORY, SqliteDatabase } from '../../database/sqlite/sqlite-database.js';
import { PostgresDatabase } from '../../database/postgres/postgres-database.js';
import type { Database } from '../../database/database.js';
import { describeEventLog } from '../event-log.contract.js';
import { SqlEventLog } from './sql-event-log.js';

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

const postgres = process.env['TEST_DATABASE_URL'];
if (postgres !== undefined) describeEventLog('PostgreSQL', () => bench(new PostgresDatabase(postgres)));
