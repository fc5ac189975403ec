import type { Block, Message } from './message.js';

/**
 * How many of these messages, in their order, a fork up to and with the one at `index` takes. Never half a tool call:
 * a cut between a call and its result moves on to the result, or, where there is none yet, back before the call. So
 * the model takes every fork.
 */
export function forkCut(messages: readonly Pick<Message, 'content'>[], index: number): number {
  const open = new Set<unknown>();
  let whole = 0;
  for (const [at, { content }] of messages.entries()) {
    for (const block of content) {
      if (isCall(block)) open.add(block['id']);
      else if ('tool_use_id' in block) open.delete(block['tool_use_id']);
    }
    if (open.size === 0) whole = at + 1;
    if (whole > index) break;
  }
  return whole;
}

/** `tool_use` is answered by the next message; `server_tool_use` and `mcp_tool_use` by a later block of the model's. */
function isCall({ type }: Block): boolean {
  return type.endsWith('tool_use');
}
