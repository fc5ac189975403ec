import { formatEventId } from '../../event-log/event-id.js';
import type { EventLog } from '../../event-log/event-log.js';
import type { RunEventType } from '../../event-log/run-event.js';
import type { Run } from '../run.js';
import { approvalKey } from './tool-approvals.js';
import type { ShownCalls } from './tool-step.js';

/** What an earlier attempt has shown beyond the last stored message. */
export interface Shown extends ShownCalls {
  /** Half a turn was shown: drop what follows this event (null: everything) before the turn is repeated. */
  resetAfter?: string | null;
}

export function nothingShown(): Shown {
  return { called: new Set(), answered: new Set(), asked: new Set() };
}

/** Events of a turn that is not stored: they are taken back. Tool events belong to a stored message and stay. */
const HALF_TURN = new Set<RunEventType>(['token', 'thinking', 'error']);

/** Reads the log beyond the checkpoint, at a claim. */
export async function readShown(log: EventLog, run: Run): Promise<Shown> {
  const shown = nothingShown();
  let previous: string | null = null;
  let after = Math.max(0, run.checkpointSeq - 1);
  for (let pages = await log.read(run.id, after); pages.length > 0; pages = await log.read(run.id, after)) {
    for (const page of pages) {
      for (const [index, entry] of page.entries.entries()) {
        after = page.firstSeq + index;
        const isBeyond = after > run.checkpointSeq;
        if (isBeyond && HALF_TURN.has(entry.type)) return { ...shown, resetAfter: previous };
        if (isBeyond && entry.type === 'tool_call') shown.called.add(callOf(entry.data).id);
        if (isBeyond && entry.type === 'tool_result') shown.answered.add(callOf(entry.data).id);
        if (isBeyond && entry.type === 'approval') shown.asked.add(approvalKey(callOf(entry.data)));
        previous = formatEventId({ runId: run.id, attempt: page.attempt, seq: after });
      }
    }
  }
  return shown;
}

function callOf(data: string): { id: string; args: unknown } {
  return JSON.parse(data) as { id: string; args: unknown };
}
