import type { Generated } from 'kysely';
import type { Fixed } from './access-tables.js';

/** What tools know: files of a session, and tools of other servers. */

/** What the model has read of a workspace, so that it overwrites nothing that it does not know. */
export interface WorkspaceReadsTable {
  session_id: Fixed<string>;
  path: Fixed<string>;
  sha256: string;
}

/** A file of a workspace as it was before a run first changed it; `before_text` null: it did not exist. */
export interface WorkspaceChangesTable {
  run_id: Fixed<string>;
  /** The session whose workspace it is; that of a sub-agent's run is another. */
  session_id: Fixed<string>;
  path: Fixed<string>;
  before_text: Fixed<string | null>;
  before_sha256: Fixed<string | null>;
  /** As the run left it at its last change that is known to be done; null: it does not exist. */
  after_sha256: string | null;
  /** What a change in progress makes of it; null when none is. */
  next_sha256: string | null;
  created_at: Fixed<number>;
  reverted_at: Generated<number | null>;
}

/** Tools of other servers as they described themselves, and the description that was accepted. */
export interface McpToolsTable {
  server: Fixed<string>;
  tool: Fixed<string>;
  fingerprint: string;
  /** All that the fingerprint stands for, as JSON. */
  description: string;
  accepted_fingerprint: string | null;
  accepted_description: string | null;
  accepted_by: string | null;
  accepted_at: number | null;
  seen_at: number;
}
