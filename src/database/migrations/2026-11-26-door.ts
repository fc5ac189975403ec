import type { Kysely } from 'kysely';

/** Identity providers, API keys, service accounts, sessions that are shown to others, ends of access tokens. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await extendUsers(db);
  await createIdentities(db);
  await createApiKeys(db);
  await createSessionShares(db);
}

async function extendUsers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('users')
    .addColumn('kind', 'text', (c) => c.notNull().defaultTo('person'))
    .execute();
  await db.schema
    .alterTable('users')
    .addColumn('token_generation', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('users').addColumn('logins_ended_at', 'bigint').execute();
  await db.schema.alterTable('users').addColumn('name', 'text').execute();
  await db.schema.createIndex('users_tenant').on('users').columns(['tenant_id', 'id']).execute();
}

async function createIdentities(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('identities')
    .addColumn('issuer', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('identities_key', ['issuer', 'subject'])
    .execute();
  await db.schema
    .createIndex('identities_user')
    .unique()
    .on('identities')
    .columns(['user_id', 'issuer'])
    .execute();
}

async function createApiKeys(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant_id', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('secret_hash', 'text', (c) => c.notNull().unique())
    .addColumn('hint', 'text', (c) => c.notNull())
    .addColumn('scopes_json', 'text', (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('expires_at', 'bigint')
    .addColumn('last_used_at', 'bigint')
    .addColumn('revoked_at', 'bigint')
    .execute();
  await db.schema
    .createIndex('api_keys_user')
    .on('api_keys')
    .columns(['tenant_id', 'user_id', 'id'])
    .execute();
}

async function createSessionShares(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('session_shares')
    .addColumn('session_id', 'text', (c) => c.notNull())
    .addColumn('tenant_id', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('session_shares_key', ['session_id', 'user_id'])
    .execute();
  await db.schema
    .createIndex('session_shares_user')
    .on('session_shares')
    .columns(['tenant_id', 'user_id', 'session_id'])
    .execute();
}
