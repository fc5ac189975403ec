import { z } from 'zod';
import type { RunEventData } from '../../event-log/run-event.js';
import { AppError } from '../../errors/app-error.js';
import type { AgUiInterrupt } from './ag-ui-event.js';

/** What answers an interrupt. Arguments cannot be changed: what is executed is what was shown. */
const answer = z.strictObject({ approved: z.boolean(), reason: z.string().max(10_000).optional() });

const RESPONSE_SCHEMA = z.toJSONSchema(answer);

export const resumeEntry = z.looseObject({
  interruptId: z.string().min(1).max(200),
  status: z.enum(['resolved', 'cancelled']),
  payload: z.unknown().optional(),
});
export type ResumeEntry = z.output<typeof resumeEntry>;

/** A decision on a tool call, found in a `resume`. */
export interface SaidDecision {
  toolCallId: string;
  decision: 'approve' | 'deny';
  reason: string | null;
  /** The client gives the question up: that is right as well when the time for it is over. */
  isGivenUp: boolean;
}

/** A tool call that waits, as AG-UI asks for it. */
export function interruptOf(runId: string, call: RunEventData<'approval'>): AgUiInterrupt {
  return {
    id: `${runId}.${call.id}`,
    reason: 'tool_call',
    message: `May ${call.name} be called?`,
    toolCallId: call.id,
    responseSchema: RESPONSE_SCHEMA,
    expiresAt: call.expires_at,
    metadata: { tool: call.name, args: call.args },
  };
}

/**
 * The decisions of a `resume`, all of one run.
 * @throws AppError `invalid_request` for an id that is none of ours, or a payload that is not of the schema.
 */
export function readResume(entries: readonly ResumeEntry[]): { runId: string; decisions: SaidDecision[] } {
  const [runId = '', ...others] = new Set(entries.map(({ interruptId }) => interruptId.split('.', 1)[0]));
  if (others.length > 0)
    throw new AppError('invalid_request', 'A resume answers interrupts of one run only.');
  return { runId, decisions: entries.map(readEntry) };
}

function readEntry({ interruptId, status, payload }: ResumeEntry): SaidDecision {
  const toolCallId = interruptId.slice(interruptId.indexOf('.') + 1);
  if (status === 'cancelled') return { toolCallId, decision: 'deny', reason: null, isGivenUp: true };
  const said = answer.safeParse(payload);
  if (!said.success) {
    throw new AppError(
      'invalid_request',
      `The payload that resolves ${interruptId} is { approved: boolean, reason?: string }, and no more.`,
    );
  }
  const { approved, reason = null } = said.data;
  return { toolCallId, decision: approved ? 'approve' : 'deny', reason, isGivenUp: false };
}
