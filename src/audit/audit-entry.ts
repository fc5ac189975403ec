/** `refused`: the caller may not, or asks for what is not there; `failed`: the server could not. */
export type Outcome = 'allowed' | 'refused' | 'failed';

export type Details = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Who is known to have called. */
export interface Actor {
  userId: string;
  tenantId: string;
  /** How it was proved; null for who proves it by this very call. */
  via: string | null;
  keyId?: string | undefined;
}

/** Where a call came from. */
export interface Client {
  address: string | null;
  userAgent: string | null;
  requestId: string | null;
}

/**
 * One thing that somebody did or tried. Names, ids and words of ours only: never what people or models say, and
 * nothing that opens anything.
 */
export interface AuditEntry {
  actor: Actor | null;
  client: Client;
  /** A dotted name that stays the same, or method and pattern of the route: `POST /api/acme/:id`. */
  action: string;
  /** Id of what it was done to. */
  target: string | null;
  outcome: Outcome;
  /** Of the error. */
  code: string | null;
  details: Details | null;
  /** The e-mail address of a sign-in that failed: where it has an account, the row belongs to that. */
  account?: string | undefined;
}

/** Where entries are handed in. */
export interface AuditLog {
  /** @param repeatable equal entries that follow within a minute are counted instead of written. */
  record(entry: AuditEntry, repeatable: boolean): void;
}
