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
}

/** What a client may set. */
export interface SessionFields {
  title?: string | null | undefined;
  model?: string | null | undefined;
  system?: string | null | undefined;
  metadata?: Record<string, unknown> | undefined;
  agent?: string | null | undefined;
}
