import type { z } from 'zod';
import type { Principal } from '../auth/principal.js';

/** What a tool is told about the call it serves. */
export interface ToolContext {
  /**
   * Who started the run; check here what the tool may do for them. `email` is what an administrator entered, what an
   * identity provider has verified, or the `email` of a token that was signed elsewhere, which is as good as its issuer.
   */
  principal: Pick<Principal, 'userId' | 'tenantId' | 'email' | 'roles'>;
  sessionId: string;
  runId: string;
  toolCallId: string;
  /** The same for every execution of this call, also after a crash: hand it to services that take one. */
  idempotencyKey: string;
  /** Aborted on cancel, timeout and shutdown: stop the work and let it throw. */
  signal: AbortSignal;
  /**
   * Has another agent work on a task of its own, as a run that everybody who may see this one can follow, and waits
   * for its end. Called again for the same call, after a crash, it finds the same run. Ends with this run, and when
   * `signal` is aborted: this call's own, when none is given.
   * @throws ToolError for an agent that is not known, when agents are nested too deeply, and when there are too many.
   */
  startAgent: (request: SubAgentRequest, signal?: AbortSignal) => Promise<SubAgentResult>;
}

export interface SubAgentRequest {
  /** Name of a profile; `general` when not given. */
  agent?: string | undefined;
  prompt: string;
  /** What people see it called; the beginning of the prompt when not given. */
  title?: string | undefined;
  /** Tells several sub-agents of one call apart. */
  key?: string | undefined;
}

export interface SubAgentResult {
  runId: string;
  status: 'completed' | 'failed' | 'cancelled';
  /** What it said last. */
  text: string;
  /** Why it has failed. */
  error?: string;
}

/**
 * Whether a person has to allow a call before it is made. A function gets the checked arguments, and `true` means
 * `always`; one that throws counts as `always`.
 */
export type ToolApproval<A = unknown> =
  | 'always'
  | 'never'
  | ((args: A, principal: ToolContext['principal']) => ApprovalAnswer | Promise<ApprovalAnswer>);

type ApprovalAnswer = 'always' | 'never' | boolean;

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
  /** `never` when not given. The profile of an agent may ask for more, never for less. */
  approval?: ToolApproval<z.output<I>>;
}

/** A tool as the registry holds it. */
export interface RegisteredTool {
  readonly options: ToolOptions;
  /** JSON Schema that the model is told, where it is not made from `options.input`. */
  readonly inputSchema?: Record<string, unknown>;
  /** Checks nothing: the arguments are parsed by `options.input` already. Throws what the tool throws. */
  call(args: unknown, context: ToolContext): Promise<unknown>;
}

/** A tool as a model is told of it; `input_schema` is JSON Schema (draft 2020-12) of the arguments object. */
export interface ToolDescription {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
}
