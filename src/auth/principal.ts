/** What a user may do beyond the own sessions. */
export type Role = 'admin' | 'member';

/** Who is asking. Every query for something owned carries `tenantId` and `userId`. */
export interface Principal {
  userId: string;
  tenantId: string;
  email: string | null;
  roles: Role[];
  /** How the caller proved it; a ticket stands for the way in which it was made. */
  via: 'cookie' | 'bearer' | 'ticket';
  /** Hash of the login session's id, where there is one: ends with it. */
  loginId: string | null;
  /** When the credentials end, in milliseconds since 1970; null: with the login session. */
  expiresAt: number | null;
}

/** The owner's part of a principal, as stored with what they own. */
export type Owner = Pick<Principal, 'userId' | 'tenantId'>;
