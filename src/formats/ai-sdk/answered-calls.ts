import type { CallDecision } from '../audited-decisions.service.js';
import { approvalAnswer, type ChatRequest, toolPart } from './requests.js';

/** What is believed of a message that the client sends back as the assistant's. */
export interface AnsweredCalls {
  decisions: CallDecision[];
  /** The calls of which the client knows no outcome: they tell how much of the run it has had. */
  open: Set<string>;
}

/** Reads nothing but decisions: that a call waits for one, and what it is, stands in the database. */
export function answeredCalls(parts: readonly unknown[], approvals: ChatRequest['approvals']): AnsweredCalls {
  const decisions = new Map(approvals.map((said) => [said.id, decisionOf(said)]));
  const open = new Set<string>();
  for (const each of parts) {
    const { data: part } = toolPart.safeParse(each);
    if (part === undefined || part.state.startsWith('output-')) continue;
    open.add(part.toolCallId);
    const { data: said } = approvalAnswer.safeParse(part.approval);
    if (part.state !== 'approval-responded' || said === undefined) continue;
    decisions.set(part.toolCallId, decisionOf({ ...said, id: part.toolCallId }));
  }
  return { decisions: [...decisions.values()], open };
}

function decisionOf({ id, approved, reason = '' }: ChatRequest['approvals'][number]): CallDecision {
  return {
    toolCallId: id,
    decision: approved ? 'approve' : 'deny',
    reason: reason.trim() === '' ? null : reason,
  };
}
