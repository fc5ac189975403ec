import { z } from 'zod';
import { runStatus, usage } from '../event-log/run-event.js';
import type { Run } from '../runs/run.js';
import type { CancelReceipt } from '../runs/runs.service.js';
import { toTime } from '../sessions/views.js';

export const runView = z
  .object({
    id: z.string(),
    session_id: z.string(),
    status: runStatus,
    attempt: z.int(),
    model: z.string(),
    stop_reason: z.string().nullable(),
    error_code: z.string().nullable(),
    usage,
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

export function viewRun(run: Run, lastEventId: string | null): RunView {
  return {
    id: run.id,
    session_id: run.sessionId,
    status: run.status,
    attempt: run.attempt,
    model: run.model,
    stop_reason: run.stopReason,
    error_code: run.errorCode,
    usage: run.usage,
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
