import type { ColumnType, Generated } from 'kysely';

/** Who may come in, and who came. The conversations stand in `schema.ts`, which says how columns are written. */

/** Set when the row is made, never changed. */
export type Fixed<T> = ColumnType<T, T, never>;

export interface UsersTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  /** Lower case, unique over all tenants; the user's own id where there is no address. */
  email: string;
  /** Empty: nobody signs in with a password. */
  password_hash: string;
  roles_json: string;
  disabled_at: number | null;
  created_at: Fixed<number>;
  /** `person` or `service`; `deleted`: a service account that is no more. */
  kind: Generated<string>;
  /** Access tokens of this server carry it, and end when it has gone up. */
  token_generation: Generated<number>;
  /** Access tokens of others that were issued before count no more. */
  logins_ended_at: Generated<number | null>;
  /** For people; of service accounts, which have no address. */
  name: Generated<string | null>;
}

/** Login sessions of express-session; the id is stored as its SHA-256 only. */
export interface LoginsTable {
  id_hash: Fixed<string>;
  user_id: string | null;
  data_json: string;
  created_at: Fixed<number>;
  expires_at: number;
}

export interface TicketsTable {
  ticket_hash: Fixed<string>;
  session_id: Fixed<string>;
  principal_json: Fixed<string>;
  expires_at: Fixed<number>;
}

/** Who an identity provider (OpenID Connect) means by `sub`. */
export interface IdentitiesTable {
  issuer: Fixed<string>;
  subject: Fixed<string>;
  user_id: Fixed<string>;
  created_at: Fixed<number>;
}

/** Keys of users for their programs; the secret is stored as its SHA-256 only. */
export interface ApiKeysTable {
  id: Fixed<string>;
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  name: Fixed<string>;
  secret_hash: Fixed<string>;
  /** The end of the secret, by which people tell their keys apart. */
  hint: Fixed<string>;
  scopes_json: Fixed<string>;
  created_by: Fixed<string>;
  created_at: Fixed<number>;
  expires_at: Fixed<number | null>;
  last_used_at: Generated<number | null>;
  revoked_at: Generated<number | null>;
}

/** Whom the owner of a session lets watch it: users of the same tenant; `*`: all of them. */
export interface SessionSharesTable {
  session_id: Fixed<string>;
  tenant_id: Fixed<string>;
  user_id: Fixed<string>;
  created_at: Fixed<number>;
}

/** Who did what to what. Append-only: the database itself refuses changes. */
export interface AuditEventsTable {
  id: Fixed<string>;
  at: Fixed<number>;
  /** Null: nobody known. */
  tenant_id: Fixed<string | null>;
  actor_id: Fixed<string | null>;
  /** `cookie`, `bearer`, `ticket` or `key`; null where nobody was known before, like at a sign-in. */
  actor_via: Fixed<string | null>;
  key_id: Fixed<string | null>;
  action: Fixed<string>;
  target: Fixed<string | null>;
  /** `allowed`, `refused` or `failed`. */
  outcome: Fixed<string>;
  /** Of the error, where there was one. */
  code: Fixed<string | null>;
  remote_address: Fixed<string | null>;
  user_agent: Fixed<string | null>;
  request_id: Fixed<string | null>;
  details_json: Fixed<string | null>;
  /** How many equal calls this row stands for. */
  count: Fixed<number>;
  /** From then on the row may be deleted; null: never. */
  expires_at: Fixed<number | null>;
}

/** How much of a limit is used; `scope` names the limit and whose it is. */
export interface LimitCountersTable {
  scope: Fixed<string>;
  used: number;
  /** What the last who asked was granted. */
  granted: number;
  /** When everything is there again. */
  ends_at: number;
}

/** Processes that hold slots; after `expires_at` they hold none. */
export interface LimitHoldersTable {
  id: Fixed<string>;
  expires_at: number;
}

export interface LimitSlotsTable {
  scope: Fixed<string>;
  holder: Fixed<string>;
  slots: number;
}
