/** What a user may do: see `permissions.ts`. */
export type Role = 'admin' | 'member' | 'viewer';

/**
 * What a call needs: to see what is the user's own or shown to them, to start and change things, to decide on tool
 * calls, to administer the tenant.
 */
export type Permission = 'read' | 'write' | 'decide' | 'admin';

/** A permission as keys and tokens carry it (RFC 6749 §3.3). */
export type Scope = `agent:${Permission}`;

/** Who is asking. Every query for something owned carries `tenantId` and `userId`. */
export interface Principal {
  userId: string;
  tenantId: string;
  email: string | null;
  roles: Role[];
  /** How the caller proved it; a ticket stands for the way in which it was made. */
  via: 'cookie' | 'bearer' | 'ticket' | 'key';
  /** Hash of the login session's id, where there is one: ends with it. */
  loginId: string | null;
  /** When the credentials end, in milliseconds since 1970; null: with the login session. */
  expiresAt: number | null;
  /** The credentials are for this only; not there: for all that the roles include. */
  scopes?: readonly Scope[] | undefined;
  /** The API key that proved it; ends with it. */
  keyId?: string | undefined;
  /** The access token that proved it: what of it ends when the user's logins are ended. */
  token?: { generation: number | undefined; issuedAt: number | undefined } | undefined;
}

/** The owner's part of a principal, as stored with what they own. */
export type Owner = Pick<Principal, 'userId' | 'tenantId'>;
