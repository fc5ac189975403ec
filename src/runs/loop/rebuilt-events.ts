import type { RunEvent } from '../../event-log/run-event.js';
import type { Block, Message } from '../../sessions/message.js';
import type { LedgerEntry } from './tool-ledger.repository.js';

/**
 * What a run said, made again from what is stored of it, for a log that was lost: a whole text is one `token`.
 * Calls that are not answered yet are left out; whoever goes on shows them.
 */
export function rebuildEvents(messages: readonly Message[], ledger: readonly LedgerEntry[]): RunEvent[] {
  const entries = new Map(ledger.map((entry) => [entry.toolCallId, entry]));
  const answered = new Set(
    messages.flatMap(({ content }) => content.map((block) => block['tool_use_id']).filter(isText)),
  );
  return messages.flatMap(({ role, content }) =>
    content.flatMap((block) => (role === 'user' ? resultOf(block, entries) : saidBy(block, answered))),
  );
}

function saidBy(block: Block, answered: ReadonlySet<string>): RunEvent[] {
  const { type, id, text, thinking } = block;
  if (type === 'text' && isText(text) && text !== '') return [{ type: 'token', data: { text } }];
  if (type === 'thinking' && isText(thinking) && thinking !== '') {
    return [{ type: 'thinking', data: { text: thinking } }];
  }
  if (type !== 'tool_use' || !isText(id) || !answered.has(id)) return [];
  return [{ type: 'tool_call', data: { id, name: String(block['name']), args: block['input'] ?? {} } }];
}

/** What the user wrote is no event: only results of calls are. */
function resultOf(block: Block, entries: ReadonlyMap<string, LedgerEntry>): RunEvent[] {
  const id = block['tool_use_id'];
  if (block.type !== 'tool_result' || !isText(id)) return [];
  const entry = entries.get(id);
  const data = {
    id,
    name: entry?.name ?? 'unknown',
    result: entry === undefined ? block['content'] : entry.result,
    is_error: block['is_error'] === true,
    duration_ms: entry?.durationMs ?? 0,
  };
  return [{ type: 'tool_result', data }];
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
