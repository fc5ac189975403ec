import { z } from 'zod';

/** Where a run stands. `queued`, `running` and `waiting` are open, the others final. */
export const runStatus = z.enum(['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled']);
export type RunStatus = z.output<typeof runStatus>;

/** What the model calls of a run used, in tokens; `estimated` when a call ended before it was told. */
export const usage = z
  .strictObject({
    input_tokens: z.int(),
    output_tokens: z.int(),
    cache_read_input_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    model_calls: z.int(),
    estimated: z.boolean(),
  })
  .meta({ id: 'Usage' });
export type Usage = z.output<typeof usage>;

export const stopDetails = z.strictObject({
  type: z.string(),
  category: z.string().nullable(),
  explanation: z.string().nullable(),
});
export type StopDetails = z.output<typeof stopDetails>;

/** The `data` of each event that a run can write to its log. One union: whoever reads the log reads this. */
export const runEventData = {
  /** Always first; again when the status or the attempt changes. */
  run: z.strictObject({
    run_id: z.string(),
    session_id: z.string(),
    status: runStatus,
    attempt: z.int(),
    model: z.string(),
  }),
  /** Text of the answer, as the model sends it. */
  token: z.strictObject({ text: z.string() }),
  /** Reasoning text, where the model shows it. */
  thinking: z.strictObject({ text: z.string() }),
  /** The model asks for a tool; `args` are complete. */
  tool_call: z.strictObject({ id: z.string(), name: z.string(), args: z.unknown() }),
  /** The call waits for a decision until `expires_at` (RFC 3339). */
  approval: z.strictObject({ id: z.string(), name: z.string(), args: z.unknown(), expires_at: z.string() }),
  /** Outcome of a tool call; `result` is what the model is told. */
  tool_result: z.strictObject({
    id: z.string(),
    name: z.string(),
    result: z.unknown(),
    is_error: z.boolean(),
    duration_ms: z.int(),
  }),
  /** Drop everything shown after event `after`; `null`: everything. */
  reset: z.strictObject({ after: z.string().nullable(), reason: z.string() }),
  /** The run failed; `done` follows. */
  error: z.strictObject({ error: z.string(), code: z.string(), retryable: z.boolean() }),
  /** Exactly once, always last. `cost_usd` is null for a model without a known price. */
  done: z.strictObject({
    status: z.enum(['completed', 'failed', 'cancelled']),
    stop_reason: z.string().nullable(),
    usage,
    cost_usd: z.number().nullable(),
    /** Of a refusal, where the provider says why. */
    stop_details: stopDetails.optional(),
  }),
} as const;

export type RunEventType = keyof typeof runEventData;

export type RunEventData<T extends RunEventType> = z.output<(typeof runEventData)[T]>;

/** One thing that happened in a run, before the log has given it a place. */
export type RunEvent = { [T in RunEventType]: { type: T; data: RunEventData<T> } }[RunEventType];

/** A run event with its place: what `@OnRunEvent` listeners and `AgentService.follow` hand out. */
export type PlacedRunEvent = RunEvent & { id: string; run_id: string; attempt: number; seq: number };
