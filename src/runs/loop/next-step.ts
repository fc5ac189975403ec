import type { ContentBlock } from '../../model/language-model.js';
import type { LastMessage } from '../../sessions/message.js';
import type { ToolUse } from './tool-step.js';

/** Stored as the stop reason of an answer whose last tool call was cut off. */
export const TRUNCATED = 'truncated';

/** Stored as the stop reason of an answer that the model has paused too often. */
export const PAUSED = 'paused_too_often';

/** What a run does next. `finish`: calls that the answer holds but did not stop for are answered, not executed. */
export type NextStep =
  | { kind: 'model' }
  | { kind: 'tools'; calls: ToolUse[] }
  | { kind: 'finish'; stopReason: string; unanswered: ToolUse[] };

/** The step that follows from the last stored message alone, so that any process finds the same one. */
export function nextStep(last: Omit<LastMessage, 'position'> | undefined): NextStep {
  if (last === undefined || last.role === 'user') return { kind: 'model' };
  const calls = toolUses(last.content);
  const stopReason = last.stopReason ?? 'unknown';
  if (stopReason === 'pause_turn' && calls.length === 0) return { kind: 'model' };
  if (stopReason === 'tool_use' && calls.length > 0) return { kind: 'tools', calls };
  return { kind: 'finish', stopReason, unanswered: calls };
}

function toolUses(content: readonly ContentBlock[]): ToolUse[] {
  return content
    .filter((block) => block.type === 'tool_use')
    .map((block) => ({ id: String(block['id']), name: String(block['name']), args: block['input'] ?? {} }));
}
