import type { Database } from '../../src/database/database.js';
import { newId } from '../../src/database/ids.js';
import type { MeteredRun } from '../../src/usage/budget.js';
import { BudgetRepository } from '../../src/usage/budget.repository.js';
import { LeftCallRepository } from '../../src/usage/left-call.repository.js';
import { ModelCallRepository } from '../../src/usage/model-call.repository.js';
import type { CallOutcome, CallPlan } from '../../src/usage/run-meter.js';
import { RunMeters } from '../../src/usage/run-meters.service.js';
import type { BudgetSettings } from '../../src/usage/usage.config.js';
import type { OpenDatabase } from './databases.js';

/** Millionths of a USD for a token. */
export const INPUT_PRICE = 4;
export const OUTPUT_PRICE = 20;

/** So many processes on the same data, where that is possible; in SQLite they share its one connection. */
export async function openShared(open: OpenDatabase, processes: number): Promise<Database[]> {
  const first = await open();
  const others = Array.from({ length: processes - 1 }, () =>
    first.exclusive ? Promise.resolve(first) : open(),
  );
  return [first, ...(await Promise.all(others))];
}

export async function closeShared(databases: Database[]): Promise<void> {
  await Promise.all([...new Set(databases)].map((database) => database.close()));
}

export function metersOn(database: Database, settings?: BudgetSettings): RunMeters {
  const budgets = new BudgetRepository(database);
  const calls = new ModelCallRepository(database, budgets);
  return new RunMeters({ BUDGETS: settings }, calls, new LeftCallRepository(database, budgets), budgets);
}

/** A run that its first attempt works on. */
export async function insertRun(database: Database, fields: Partial<MeteredRun> = {}): Promise<MeteredRun> {
  const id = newId('run');
  const run: MeteredRun = {
    id,
    rootRunId: id,
    sessionId: newId('ses'),
    userId: 'ada',
    tenantId: 'acme',
    attempt: 1,
    ...fields,
  };
  await database
    .acrossTenants()
    .insertInto('runs')
    .values({
      id: run.id,
      tenant_id: run.tenantId,
      user_id: run.userId,
      session_id: run.sessionId,
      number: 1,
      status: 'running',
      attempt: run.attempt,
      owner: null,
      lease_until: null,
      cancel_requested_at: null,
      model: 'scripted',
      principal_json: '{}',
      on_disconnect: 'continue',
      usage_json: '{}',
      stop_reason: null,
      error_code: null,
      last_event_id: null,
      created_at: database.now,
      started_at: database.now,
      ended_at: null,
    })
    .execute();
  return run;
}

/** The next attempt, as after the death of the process that worked on the run. */
export async function takeOver(database: Database, run: MeteredRun): Promise<MeteredRun> {
  const attempt = run.attempt + 1;
  await database.acrossTenants().updateTable('runs').set({ attempt }).where('id', '=', run.id).execute();
  return { ...run, attempt };
}

export function planOf(inputTokens: number, maxTokens: number, fields: Partial<CallPlan> = {}): CallPlan {
  return {
    kind: 'turn',
    model: 'claude-test',
    inputTokens,
    maxTokens,
    price: (input, output) => input * INPUT_PRICE + output * OUTPUT_PRICE,
    ...fields,
  };
}

export function outcomeOf(input: number, output: number): CallOutcome {
  return {
    tokens: {
      input_tokens: input,
      output_tokens: output,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    },
    estimated: false,
    costMicroUsd: input * INPUT_PRICE + output * OUTPUT_PRICE,
    requestId: 'req_1',
    messageId: 'msg_1',
  };
}

export const REFUSED: CallOutcome = { tokens: undefined, estimated: false, costMicroUsd: 0 };

/** What the budgets of a kind of scope count, by scope and day. */
export async function budgetRows(database: Database, kind: string) {
  const rows = await database.kysely
    .selectFrom('budgets')
    .selectAll()
    .where('scope', 'like', `${kind}:%`)
    .orderBy('period')
    .execute();
  return rows.map((row) => ({
    period: row.period,
    microUsd: [row.micro_usd_spent, row.micro_usd_reserved],
    tokens: [row.tokens_spent, row.tokens_reserved],
    calls: row.model_calls,
    toolCalls: row.tool_calls,
  }));
}
