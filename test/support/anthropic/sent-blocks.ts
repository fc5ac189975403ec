import type { WireBlock } from './strict-anthropic.js';

interface WireEvent {
  type: string;
  message?: { content?: WireBlock[]; stop_reason?: string | null };
  content_block?: WireBlock;
  delta?: { [field: string]: unknown };
}

/** What an answer was made of, as far as it was sent. */
export interface SentAnswer {
  /** Whole blocks only. */
  blocks: WireBlock[];
  stopReason: string | null;
  /** Its `message_stop` was sent. */
  whole: boolean;
}

/** Reads an answer back from the bytes that were sent: by whole lines, with no code of the product. */
export function sentAnswer(sse: string): SentAnswer {
  const answer: SentAnswer = { blocks: [], stopReason: null, whole: false };
  let open: WireBlock | undefined;
  let input = '';
  for (const event of eventsIn(sse)) {
    if (event.type === 'message_start') {
      answer.blocks.push(...(event.message?.content ?? []));
      answer.stopReason = event.message?.stop_reason ?? null;
    }
    if (event.type === 'content_block_start' && event.content_block) {
      open = { ...event.content_block };
      input = '';
    }
    if (event.type === 'content_block_delta' && open && event.delta) input += addDelta(open, event.delta);
    if (event.type === 'content_block_stop' && open) {
      if (input !== '') open['input'] = parsed(input);
      answer.blocks.push(open);
      open = undefined;
    }
    if (event.type === 'message_delta' && typeof event.delta?.['stop_reason'] === 'string') {
      answer.stopReason = event.delta['stop_reason'];
    }
    if (event.type === 'message_stop') answer.whole = true;
  }
  return answer;
}

function* eventsIn(sse: string): Iterable<WireEvent> {
  for (const line of sse.split('\n')) {
    const event = line.startsWith('data:') ? (parsed(line.slice(5)) as WireEvent | undefined) : undefined;
    if (event !== undefined) yield event;
  }
}

/** @returns the piece of a tool's input that the delta brings. */
function addDelta(block: WireBlock, delta: Record<string, unknown>): string {
  if (delta['type'] === 'input_json_delta') return String(delta['partial_json']);
  if (delta['type'] === 'signature_delta') block['signature'] = delta['signature'];
  const field = { text_delta: 'text', thinking_delta: 'thinking' }[String(delta['type'])];
  const before = field === undefined ? undefined : block[field];
  if (field !== undefined) block[field] = (typeof before === 'string' ? before : '') + String(delta[field]);
  return '';
}

/** Half a line, or half an input, is none. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
