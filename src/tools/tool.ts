import type { z } from 'zod';
import type { Principal } from '../auth/principal.js';

/** What a tool is told about the call it serves. */
export interface ToolContext {
  /** Who started the run; check here what the tool may do for them. */
  principal: Pick<Principal, 'userId' | 'tenantId' | 'email' | 'roles'>;
  sessionId: string;
  runId: string;
  toolCallId: string;
  /** The same for every execution of this call, also after a crash: hand it to services that take one. */
  idempotencyKey: string;
  /** Aborted on cancel, timeout and shutdown: stop the work and let it throw. */
  signal: AbortSignal;
}

export interface ToolOptions<I extends z.ZodObject = z.ZodObject> {
  /** What the model calls it: letters, digits, `_` and `-`, 64 at most. Unique in the application. */
  name: string;
  /** For the model: what it does, when to use it, what comes back. */
  description: string;
  /** The arguments. `.describe()` every field: the model reads it. */
  input: I;
  /**
   * True when running the same call twice does no harm. After a crash in mid-call such a tool runs again with
   * the same `idempotencyKey`; any other is answered with an unknown outcome and never run again by itself.
   */
  idempotent?: boolean;
  /** Milliseconds after which the call is aborted; `TOOL_TIMEOUT_MS` when not given. */
  timeoutMs?: number;
}

/** A tool as the registry holds it. */
export interface RegisteredTool {
  readonly options: ToolOptions;
  /** Checks nothing: the arguments are parsed by `options.input` already. Throws what the tool throws. */
  call(args: unknown, context: ToolContext): Promise<unknown>;
}
