/** Messages by their run, in order. */
export function byRun(messages) {
  return Map.groupBy(messages, (message) => message.run_id);
}

/** What was copied from another conversation and belongs to no run: pieces that begin with what the user said. */
export function copiedTurns(messages = []) {
  const turns = [];
  for (const message of messages) {
    const isSaid = message.role === 'user' && message.content.every((block) => block.type !== 'tool_result');
    if (isSaid || turns.length === 0) turns.push([]);
    turns.at(-1).push(message);
  }
  return turns;
}

/** The message that began a run. */
export function userMessage(messages = []) {
  return messages.find((message) => message.role === 'user');
}

/** What the user said at the beginning of a run. */
export function userText(messages = []) {
  const content = userMessage(messages)?.content ?? [];
  return content.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join('\n\n');
}

/**
 * Up to where another conversation may be copied that begins again with this message.
 * @param {object[]} messages of the session, in order
 * @param {string | undefined} messageId
 * @returns {string | null} the message before it; null: there is none
 * @throws when the message is not among them
 */
export function placeBefore(messages, messageId) {
  const index = messages.findIndex(({ id }) => id === messageId);
  if (index === -1) throw new Error('The message is not there any more.');
  return messages[index - 1]?.id ?? null;
}

/** Draws a run of the past, from its messages and its final state. */
export function drawPast(view, run, messages = []) {
  view.apply({ id: '', type: 'run', data: run });
  for (const { role, content } of messages) {
    const events = content
      .filter((block) => role === 'assistant' || block.type === 'tool_result')
      .map(toEvent);
    for (const event of events) if (event) view.apply({ id: '', ...event });
  }
  view.apply({ id: '', type: 'done', data: run });
  if (run.ended_at) view.tell(run);
}

/** A content block as the event with which it was first shown; others, like signatures, show nothing. */
function toEvent(block) {
  switch (block.type) {
    case 'text':
      return { type: 'token', data: { text: block.text } };
    case 'thinking':
      return { type: 'thinking', data: { text: block.thinking } };
    case 'tool_use':
      return { type: 'tool_call', data: { id: block.id, name: block.name, args: block.input } };
    case 'tool_result':
      return { type: 'tool_result', data: toResult(block) };
    default:
      return undefined;
  }
}

function toResult({ tool_use_id, content, is_error = false }) {
  const parts = Array.isArray(content)
    ? content.map((part) => part.text ?? `[${part.type}]`)
    : [content ?? ''];
  return { id: tool_use_id, name: 'tool', args: {}, result: parts.join('\n'), is_error };
}
