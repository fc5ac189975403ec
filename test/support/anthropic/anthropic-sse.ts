/** Bodies in Anthropic's event-stream format, made by hand. */

export interface WireUsage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
}

export interface WireToolUse {
  id: string;
  name: string;
  input: unknown;
}

export const TINY_USAGE: WireUsage = {
  input_tokens: 10,
  output_tokens: 5,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};

let made = 0;

/** One event: an `event:` line, a `data:` line and the blank line. */
export function wireEvent(type: string, fields: Record<string, unknown> = {}): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

export function messageStart(usage: WireUsage = TINY_USAGE): string {
  made += 1;
  const message = {
    id: `msg_fake_${made}`,
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-5-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  return wireEvent('message_start', { message });
}

/** A text block, one delta for each text. */
export function textBlock(index: number, texts: string[]): string[] {
  return [
    wireEvent('content_block_start', { index, content_block: { type: 'text', text: '' } }),
    ...texts.map((text) => wireEvent('content_block_delta', { index, delta: { type: 'text_delta', text } })),
    wireEvent('content_block_stop', { index }),
  ];
}

export function thinkingBlock(index: number, thinking: string, signature: string): string[] {
  const delta = (fields: Record<string, unknown>) =>
    wireEvent('content_block_delta', { index, delta: fields });
  return [
    wireEvent('content_block_start', {
      index,
      content_block: { type: 'thinking', thinking: '', signature: '' },
    }),
    delta({ type: 'thinking_delta', thinking }),
    delta({ type: 'signature_delta', signature }),
    wireEvent('content_block_stop', { index }),
  ];
}

/** A call of a client tool; its input arrives in two deltas. */
export function toolUseBlock(index: number, call: WireToolUse): string[] {
  const json = JSON.stringify(call.input);
  const half = Math.ceil(json.length / 2);
  const delta = (partial_json: string) =>
    wireEvent('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json } });
  return [
    wireEvent('content_block_start', {
      index,
      content_block: { type: 'tool_use', id: call.id, name: call.name, input: {} },
    }),
    delta(json.slice(0, half)),
    delta(json.slice(half)),
    wireEvent('content_block_stop', { index }),
  ];
}

export function messageEnd(stopReason: string, usage: WireUsage = TINY_USAGE): string[] {
  return [
    wireEvent('message_delta', { delta: { stop_reason: stopReason, stop_sequence: null }, usage }),
    wireEvent('message_stop'),
  ];
}

/** A whole answer of text; `texts` are its deltas. */
export function textReply(texts: string[], usage: WireUsage = TINY_USAGE): string[] {
  return [messageStart(usage), ...textBlock(0, texts), ...messageEnd('end_turn', usage)];
}

/** A whole answer that says `texts` and then calls tools. */
export function toolReply(texts: string[], calls: WireToolUse[], usage: WireUsage = TINY_USAGE): string[] {
  const first = texts.length > 0 ? 1 : 0;
  return [
    messageStart(usage),
    ...(first === 1 ? textBlock(0, texts) : []),
    ...calls.flatMap((call, n) => toolUseBlock(first + n, call)),
    ...messageEnd('tool_use', usage),
  ];
}
