import { piecesOf, type OfflineReply, type ReplyBlock } from './offline-reply.js';
import type { OfflineRequest } from './offline-request.js';

export const OFFLINE_MODEL = 'agentline-offline';

/** Fields that nobody reads as text. */
const UNREAD = new Set(['type', 'id', 'tool_use_id', 'source']);

/** One event of the stream; a `paced` one stands for a word and comes a word's time after the last. */
export interface WireFrame {
  text: string;
  paced: boolean;
}

/**
 * The Messages API's events of a reply, in their order, as server-sent events (WHATWG HTML §9.2).
 * @param newId makes an id that no other message or call has
 */
export function* wireFrames(
  request: OfflineRequest,
  reply: OfflineReply,
  newId: () => string,
): Generator<WireFrame> {
  const usage = {
    input_tokens: inputWords(request),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  };
  yield frame('message_start', {
    message: {
      id: `msg_${newId()}`,
      type: 'message',
      role: 'assistant',
      model: OFFLINE_MODEL,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...usage, output_tokens: 1 },
    },
  });
  yield frame('ping', {});
  let output = 0;
  for (const [index, block] of reply.blocks.entries()) {
    yield frame('content_block_start', { index, content_block: startOf(block, newId) });
    for (const delta of deltasOf(block)) {
      output += 1;
      yield frame('content_block_delta', { index, delta }, true);
    }
    yield frame('content_block_stop', { index });
  }
  yield frame('message_delta', {
    delta: { stop_reason: reply.stopReason, stop_sequence: null },
    usage: { ...usage, output_tokens: output },
  });
  yield frame('message_stop', {});
}

function startOf(block: ReplyBlock, newId: () => string) {
  if (block.type === 'text') return { type: 'text', text: '' };
  return { type: 'tool_use', id: `toolu_${newId()}`, name: block.name, input: {} };
}

function deltasOf(block: ReplyBlock) {
  if (block.type === 'text') return piecesOf(block.text).map((text) => ({ type: 'text_delta', text }));
  return piecesOf(JSON.stringify(block.input)).map((part) => ({
    type: 'input_json_delta',
    partial_json: part,
  }));
}

function frame(type: string, data: object, paced = false): WireFrame {
  return { text: `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`, paced };
}

function inputWords({ system, messages, tools }: OfflineRequest): number {
  return wordsIn(system) + wordsIn(messages.map(({ content }) => content)) + wordsIn(tools);
}

function wordsIn(value: unknown): number {
  if (typeof value === 'string') return piecesCount(value);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce<number>(
    (sum, [field, part]) => (UNREAD.has(field) ? sum : sum + wordsIn(part)),
    0,
  );
}

function piecesCount(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}
