import { type Kysely, PostgresAdapter, sql } from 'kysely';

/** Who did what to what. A row can be neither changed nor, before `expires_at`, deleted: the database refuses it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createTable(db);
  await createIndexes(db);
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  for (const statement of isPostgres ? POSTGRES : SQLITE) await sql.raw(statement).execute(db);
}

async function createTable(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_events')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('tenant_id', 'text')
    .addColumn('actor_id', 'text')
    .addColumn('actor_via', 'text')
    .addColumn('key_id', 'text')
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('target', 'text')
    .addColumn('outcome', 'text', (c) => c.notNull())
    .addColumn('code', 'text')
    .addColumn('remote_address', 'text')
    .addColumn('user_agent', 'text')
    .addColumn('request_id', 'text')
    .addColumn('details_json', 'text')
    .addColumn('count', 'integer', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .execute();
}

/** A tenant's rows by time; what one user did; what was done to one thing; what may go. */
async function createIndexes(db: Kysely<unknown>): Promise<void> {
  const orders = {
    audit_events_tenant: ['tenant_id', 'at', 'id'],
    audit_events_actor: ['tenant_id', 'actor_id', 'at', 'id'],
    audit_events_target: ['tenant_id', 'target', 'at', 'id'],
  };
  for (const [name, columns] of Object.entries(orders)) {
    await db.schema.createIndex(name).on('audit_events').columns(columns).execute();
  }
  await db.schema
    .createIndex('audit_events_expiry')
    .on('audit_events')
    .column('expires_at')
    .where('expires_at', 'is not', null)
    .execute();
}

const REFUSAL = 'audit_events is append-only';

/** REPLACE deletes without asking triggers for deletes; a row that is there already is therefore passed over. */
const SQLITE = [
  `create trigger audit_events_update before update on audit_events
   begin select raise(abort, '${REFUSAL}'); end`,
  `create trigger audit_events_delete before delete on audit_events
   when old.expires_at is null or old.expires_at > cast(unixepoch('subsec') * 1000 as integer)
   begin select raise(abort, '${REFUSAL}'); end`,
  `create trigger audit_events_insert before insert on audit_events
   when exists (select 1 from audit_events where id = new.id)
   begin select raise(ignore); end`,
];

const POSTGRES = [
  `create function audit_events_refuse() returns trigger language plpgsql as $$
   begin
     if tg_op = 'DELETE' then
       if old.expires_at <= extract(epoch from clock_timestamp()) * 1000 then return old; end if;
     end if;
     raise exception '${REFUSAL}';
   end $$`,
  `create trigger audit_events_rows before update or delete on audit_events
   for each row execute function audit_events_refuse()`,
  `create trigger audit_events_truncate before truncate on audit_events
   for each statement execute function audit_events_refuse()`,
];
