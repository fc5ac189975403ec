import { type Kysely, sql } from 'kysely';

/** Approvals, agents and sub-agents, what runs cost and may cost, compaction, workspaces, tool servers. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await extendSessions(db);
  await db.schema.alterTable('messages').addColumn('prefix_hash', 'text').execute();
  await extendRuns(db);
  await extendToolCalls(db);
  await createModelCalls(db);
  await createBudgets(db);
  await createCompactions(db);
  await createWorkspaces(db);
  await createToolServers(db);
}

async function extendSessions(db: Kysely<unknown>): Promise<void> {
  for (const name of ['agent', 'parent_run_id'] as const)
    await db.schema.alterTable('sessions').addColumn(name, 'text').execute();
}

async function extendRuns(db: Kysely<unknown>): Promise<void> {
  for (const name of ['agent', 'parent_run_id', 'parent_call_id', 'root_run_id'] as const)
    await db.schema.alterTable('runs').addColumn(name, 'text').execute();
  for (const name of ['wake_at', 'parked_at'] as const)
    await db.schema.alterTable('runs').addColumn(name, 'bigint').execute();
  for (const name of ['waited_ms', 'cost_micro_usd'] as const)
    await db.schema
      .alterTable('runs')
      .addColumn(name, 'bigint', (c) => c.notNull().defaultTo(0))
      .execute();
  await db.schema
    .alterTable('runs')
    .addColumn('cost_unknown', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createIndex('runs_child')
    .unique()
    .on('runs')
    .columns(['parent_run_id', 'parent_call_id'])
    .execute();
}

async function extendToolCalls(db: Kysely<unknown>): Promise<void> {
  for (const name of ['expires_at', 'decided_at'] as const)
    await db.schema.alterTable('tool_calls').addColumn(name, 'bigint').execute();
  for (const name of ['decision', 'decision_reason', 'decided_by'] as const)
    await db.schema.alterTable('tool_calls').addColumn(name, 'text').execute();
}

async function createModelCalls(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('model_calls')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant_id', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .addColumn('root_run_id', 'text', (c) => c.notNull())
    .addColumn('attempt', 'integer', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('model', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('input_tokens', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('output_tokens', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('cache_read_input_tokens', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('cache_creation_input_tokens', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('estimated', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('cost_micro_usd', 'bigint')
    .addColumn('reserved_tokens', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('reserved_micro_usd', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('budgets_json', 'text')
    .addColumn('request_id', 'text')
    .addColumn('message_id', 'text')
    .addColumn('started_at', 'bigint', (c) => c.notNull())
    .addColumn('ended_at', 'bigint')
    .execute();
  await db.schema.createIndex('model_calls_run').on('model_calls').column('run_id').execute();
  await db.schema
    .createIndex('model_calls_tenant')
    .on('model_calls')
    .columns(['tenant_id', 'started_at'])
    .execute();
  await db.schema
    .createIndex('model_calls_open')
    .on('model_calls')
    .column('started_at')
    .where(sql<boolean>`state = 'reserved'`)
    .execute();
}

async function createBudgets(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('budgets')
    .addColumn('scope', 'text', (c) => c.notNull())
    .addColumn('period', 'text', (c) => c.notNull())
    .addColumn('micro_usd_spent', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('micro_usd_reserved', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('tokens_spent', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('tokens_reserved', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('model_calls', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('tool_calls', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('busy_ms', 'bigint', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('budgets_key', ['scope', 'period'])
    .execute();
}

async function createCompactions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('run_frames')
    .addColumn('run_id', 'text', (c) => c.primaryKey())
    .addColumn('frame_json', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('compactions')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('run_id', 'text', (c) => c.notNull())
    .addColumn('run_number', 'integer', (c) => c.notNull())
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('summary', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('compactions_session')
    .on('compactions')
    .columns(['session_id', 'run_number', 'position'])
    .execute();
}

async function createWorkspaces(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('workspace_reads')
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('path', 'text', (c) => c.notNull())
    .addColumn('sha256', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('workspace_reads_key', ['session_id', 'path'])
    .execute();
  await db.schema
    .createTable('workspace_changes')
    .addColumn('run_id', 'text', (c) => c.notNull())
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('path', 'text', (c) => c.notNull())
    .addColumn('before_text', 'text')
    .addColumn('before_sha256', 'text')
    .addColumn('after_sha256', 'text')
    .addColumn('next_sha256', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('reverted_at', 'bigint')
    .addPrimaryKeyConstraint('workspace_changes_key', ['run_id', 'path'])
    .execute();
  await db.schema
    .createIndex('workspace_changes_session')
    .on('workspace_changes')
    .columns(['session_id', 'path'])
    .execute();
}

async function createToolServers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('mcp_tools')
    .addColumn('server', 'text', (c) => c.notNull())
    .addColumn('tool', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('accepted_fingerprint', 'text')
    .addColumn('accepted_description', 'text')
    .addColumn('accepted_by', 'text')
    .addColumn('accepted_at', 'bigint')
    .addColumn('seen_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('mcp_tools_key', ['server', 'tool'])
    .execute();
}
