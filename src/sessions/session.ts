import type { Owner } from '../auth/principal.js';
import { AppError } from '../errors/app-error.js';

/** One conversation, owned by one user of one tenant. Times are milliseconds since 1970. */
export interface Session {
  id: string;
  tenantId: string;
  userId: string;
  title: string | null;
  /** Model for its runs; null: the server's default. */
  model: string | null;
  system: string | null;
  metadata: Record<string, unknown>;
  /** Agent of its runs; null: the server's default. */
  agent: string | null;
  /** The run that made it for a sub-agent; null for a person's. */
  parentRunId: string | null;
  createdAt: number;
  updatedAt: number;
  /** For whom it is shown to, whose it is; undefined for the owner, and where no address is known. */
  ownerEmail?: string | undefined;
}

/**
 * What the caller may change, of what the caller may see.
 * @throws AppError `forbidden` for what others show to the caller.
 */
export function requireOwn<T extends Owner>(caller: Owner, shown: T): T {
  if (shown.userId === caller.userId && shown.tenantId === caller.tenantId) return shown;
  throw new AppError('forbidden', 'This conversation is shown to you: only its owner can change it.');
}

/** What a client may set. */
export interface SessionFields {
  title?: string | null | undefined;
  model?: string | null | undefined;
  system?: string | null | undefined;
  metadata?: Record<string, unknown> | undefined;
  agent?: string | null | undefined;
}
