import type { ContentBlock } from '../../model/language-model.js';
import { isThinking } from '../../model/thinking.js';
import { AppError } from '../../errors/app-error.js';
import type { Block, LastMessage, Message } from '../../sessions/message.js';
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
export function nextStep(last: Pick<LastMessage, 'role' | 'content' | 'stopReason'> | undefined): NextStep {
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

/** Answers in a row whose arguments were no JSON. */
const MAX_INVALID = 3;

/**
 * Why a run must not ask its model again, seen from what was said last; undefined when it may. What earlier runs did
 * does not count: the user may ask for the same again, and for anything after a run that went in circles.
 */
export function reasonToEnd(messages: readonly Message[], maxRepeats: number): AppError | undefined {
  const current = messages.at(-1)?.runNumber;
  const rounds = toolRounds(messages.filter(({ runNumber }) => runNumber === current));
  if (lastAlike(rounds, (round) => round.some(({ isInvalid }) => isInvalid)) >= MAX_INVALID) {
    const text = `The model sent arguments that are not JSON ${MAX_INVALID} times in a row.`;
    return new AppError('invalid_calls', text);
  }
  const last = keyOf(rounds.at(-1) ?? []);
  if (last !== '' && lastAlike(rounds, (round) => keyOf(round) === last) >= maxRepeats) {
    const text = `The model made the same calls ${maxRepeats} times in a row, with the same results.`;
    return new AppError('repeated_calls', text);
  }
  return undefined;
}

interface CallMade {
  isInvalid: boolean;
  /** Arguments and result. */
  key: string;
}

/** The calls of each answer that made some, with what came back. */
function toolRounds(messages: readonly Message[]): CallMade[][] {
  const rounds: CallMade[][] = [];
  for (const [index, { role, content }] of messages.entries()) {
    const calls = role === 'assistant' ? toolUses(content) : [];
    if (calls.length === 0) continue;
    const results = new Map(
      (messages[index + 1]?.content ?? []).map((block) => [block['tool_use_id'], block['content']]),
    );
    rounds.push(
      calls.map(({ id, name, args }) => ({
        isInvalid: typeof args === 'object' && args !== null && 'INVALID_JSON' in args,
        key: JSON.stringify([name, args, results.get(id) ?? null]),
      })),
    );
  }
  return rounds;
}

function lastAlike<T>(list: readonly T[], isAlike: (item: T) => boolean): number {
  return list.length - 1 - list.findLastIndex((item) => !isAlike(item));
}

function keyOf(round: readonly CallMade[]): string {
  return round.map(({ key }) => key).join();
}

/** Whether a block says nothing to people. */
export function isWordless(block: Block): boolean {
  const { type, text } = block;
  return type === 'text' ? typeof text === 'string' && text.trim() === '' : isThinking(block);
}

/** An answer without a word after tool results: the model is asked once more before the run ends with it. */
export function isSilent(messages: readonly Message[]): boolean {
  const [before, last] = messages.slice(-2);
  return (
    last?.role === 'assistant' &&
    last.stopReason === 'end_turn' &&
    last.content.every(isWordless) &&
    before !== undefined &&
    before.content.some((block) => block.type === 'tool_result')
  );
}
