import { z } from 'zod';
import type { AgentProfile } from '../agents/agent-profile.js';
import { ERROR_CODES, type ErrorCode } from '../errors/error-codes.js';
import { runStatus, usage } from '../event-log/run-event.js';
import type { Run } from '../runs/run.js';
import type { CancelReceipt } from '../runs/runs.service.js';
import { toTime } from '../sessions/views.js';
import { toUsd } from '../usage/cost.js';
import type { SocketEvent } from './requests.js';

export const runView = z
  .object({
    id: z.string(),
    session_id: z.string(),
    status: runStatus,
    attempt: z.int(),
    model: z.string(),
    agent: z.string().nullable(),
    parent: z.object({ run_id: z.string(), tool_call_id: z.string() }).nullable(),
    stop_reason: z.string().nullable(),
    error_code: z.string().nullable(),
    usage,
    cost_usd: z.number().nullable().describe('So far; null where a price is not known'),
    created_at: z.iso.datetime(),
    ended_at: z.iso.datetime().nullable(),
    last_event_id: z.string().nullable(),
  })
  .meta({ id: 'Run' });
export type RunView = z.output<typeof runView>;

export const startedRun = z.object({ run: runView }).meta({ id: 'StartedRun' });
export type StartedRun = z.output<typeof startedRun>;

export const runList = z.object({ data: z.array(runView) }).meta({ id: 'RunList' });
export type RunList = z.output<typeof runList>;

export const receiptView = z
  .object({
    run_id: z.string(),
    status: runStatus,
    last_event_id: z.string().nullable(),
    usage,
    tool_calls: z.array(z.object({ id: z.string(), name: z.string(), state: z.string() })),
  })
  .meta({ id: 'CancelReceipt' });
export type ReceiptView = z.output<typeof receiptView>;

export const decisionView = z
  .object({
    run_id: z.string(),
    tool_call_id: z.string(),
    tool: z.string(),
    decision: z.enum(['approve', 'deny']),
    reason: z.string().nullable(),
    decided_at: z.iso.datetime(),
  })
  .meta({ id: 'Decision' });
export type DecisionView = z.output<typeof decisionView>;

export const agentView = z
  .object({
    name: z.string(),
    description: z.string(),
    default: z.boolean(),
    model: z.string().nullable(),
    tools: z.array(z.string()),
    limits: z.object({
      max_turns: z.int().nullable(),
      max_tool_calls: z.int().nullable(),
      max_tokens: z.int().nullable(),
      usd: z.number().nullable(),
      tokens: z.int().nullable(),
    }),
  })
  .meta({ id: 'Agent' });
export type AgentView = z.output<typeof agentView>;

/** What a socket watches now; `over`: the cursor is a `done`, and nothing follows. */
export const subscriptionView = z
  .object({ session_id: z.string(), run_id: z.string().nullable(), status: z.enum(['subscribed', 'over']) })
  .meta({ id: 'Subscription' });
export type SubscriptionView = z.output<typeof subscriptionView>;

/** The `data` of the `ack` that answers each request of a socket. */
export const socketAcks = {
  start: startedRun,
  subscribe: subscriptionView,
  unsubscribe: z.object({}),
  cancel: receiptView,
  decide: decisionView,
  ping: z.object({}),
} as const satisfies Record<SocketEvent, z.ZodType>;

/** The `data` of a `rejected`: what a refusal over HTTP says, without what belongs to HTTP. */
export const rejectedView = z
  .object({
    code: z.enum(Object.keys(ERROR_CODES) as ErrorCode[]),
    error: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Rejected' });

const toolView = z
  .object({
    name: z.string(),
    description: z.string(),
    input_schema: z.record(z.string(), z.unknown()).describe('JSON Schema 2020-12 of the arguments'),
  })
  .meta({ id: 'Tool' });

export const toolList = z.object({ data: z.array(toolView) }).meta({ id: 'ToolList' });

export const agentList = z.object({ data: z.array(agentView) }).meta({ id: 'AgentList' });
export type AgentList = z.output<typeof agentList>;

/** @param usual name of the agent that works where none is named. */
export function viewAgent(profile: AgentProfile, tools: string[], usual: string): AgentView {
  const { name, description, model = null, limits = {} } = profile;
  return {
    name,
    description,
    default: name === usual,
    model,
    tools,
    limits: {
      max_turns: limits.maxTurns ?? null,
      max_tool_calls: limits.maxToolCalls ?? null,
      max_tokens: limits.maxTokens ?? null,
      usd: limits.usd ?? null,
      tokens: limits.tokens ?? null,
    },
  };
}

export function viewRun(run: Run, lastEventId: string | null): RunView {
  return {
    id: run.id,
    session_id: run.sessionId,
    status: run.status,
    attempt: run.attempt,
    model: run.model,
    agent: run.agent,
    parent: run.parent && { run_id: run.parent.runId, tool_call_id: run.parent.callId },
    stop_reason: run.stopReason,
    error_code: run.errorCode,
    usage: run.usage,
    cost_usd: toUsd(run.cost),
    created_at: toTime(run.createdAt),
    ended_at: run.endedAt === null ? null : toTime(run.endedAt),
    last_event_id: lastEventId,
  };
}

export function viewReceipt(receipt: CancelReceipt): ReceiptView {
  return {
    run_id: receipt.runId,
    status: receipt.status,
    last_event_id: receipt.lastEventId,
    usage: receipt.usage,
    tool_calls: receipt.toolCalls,
  };
}
