import type { ContentBlock, ModelEvent, StopDetails } from '../language-model.js';
import { protocolError, streamError } from './anthropic-errors.js';
import { parseExactly } from './exact-json.js';
import { isDeeperThan, isRecord, type Json, wellFormed } from '../json.js';
import { UsageReader } from './usage-reader.js';

/** Levels of a tool's input; what is deeper counts as no JSON. */
const MAX_INPUT_DEPTH = 200;

/** What one message may make us hold: tool input and reasoning. Far above any `max_tokens`, far below a full heap. */
const MAX_HELD = 32 * 1024 * 1024;

/** The block that is being sent. Pieces are joined once, at its end: every other way is quadratic. */
interface OpenBlock {
  readonly index: number;
  readonly content: ContentBlock;
  readonly input: string[];
  readonly thinking: string[];
}

/**
 * Makes model events of the events of one streamed message (`message_start` … `message_stop`).
 *
 * Tolerates what the API may add: unknown events and deltas are handed on as they came, unknown blocks kept as
 * they started, unknown stop reasons told as they are. Never glues: a second message, or a block out of order, is a broken attempt.
 * What the API really sends beside the documented order: a cut tool call has no `content_block_stop`;
 * `message_start` may hold the whole answer; blocks may have no delta; an empty input is one `''` or nothing.
 */
export class MessageAccumulator {
  /** `message_stop` has come; nothing that follows belongs to the message. */
  finished = false;

  private started = false;
  private blocks = 0;
  private open: OpenBlock | null = null;
  private held = 0;
  private lastInputInvalid = false;
  private stopReason = 'unknown';
  private stopDetails: StopDetails | undefined;
  private readonly usage = new UsageReader();

  constructor(
    private readonly emit: (event: ModelEvent) => void,
    private readonly requestId?: string,
  ) {}

  /**
   * Takes the next event, `type` being its kind, and emits what it means.
   * @throws ModelError `model_protocol` for an impossible order, or what an `error` event says.
   */
  push(type: string, event: Json): void {
    if (type === 'content_block_delta') this.addDelta(event);
    else if (type === 'content_block_start') this.startBlock(event);
    else if (type === 'content_block_stop') this.stopBlock(event);
    else if (type === 'message_start') this.startMessage(event);
    else if (type === 'message_delta') this.changeMessage(event);
    else if (type === 'message_stop') this.stopMessage();
    else if (type === 'error') throw streamError(event, this.requestId);
    else if (type !== 'ping') this.emit({ type: 'unknown', raw: event });
  }

  private startMessage(event: Json): void {
    if (this.started) throw protocolError('The model began a second message in one answer.');
    const message = event.message;
    if (!isRecord(message)) throw protocolError('The model began a message without a message.');
    this.started = true;
    this.usage.read(message.usage);
    this.readStop(message);
    this.emit({
      type: 'start',
      model: typeof message.model === 'string' ? message.model : '',
      usage: this.usage.sum,
      ...(typeof message.id === 'string' ? { messageId: message.id } : {}),
      ...(this.requestId === undefined ? {} : { requestId: this.requestId }),
    });
    for (const content of Array.isArray(message.content) ? message.content : []) {
      this.finishBlock(this.beginBlock(content));
    }
  }

  private startBlock(event: Json): void {
    if (!this.started || this.open !== null || event.index !== this.blocks) {
      throw protocolError('The model sent a block out of order.');
    }
    this.open = this.beginBlock(event.content_block);
  }

  private stopBlock(event: Json): void {
    this.finishBlock(this.openBlock(event));
    this.open = null;
  }

  private changeMessage(event: Json): void {
    if (!this.started) throw protocolError('The model ended a message that had not begun.');
    this.usage.read(event.usage);
    if (isRecord(event.usage)) this.emit({ type: 'usage', usage: this.usage.sum });
    if (isRecord(event.delta)) this.readStop(event.delta);
  }

  private stopMessage(): void {
    if (!this.started) throw protocolError('The model ended a message that had not begun.');
    const cutOff = this.open;
    this.open = null;
    // Text that was shown needs its block; half a tool call or unsigned reasoning must not come back.
    if (cutOff?.content.type === 'text') this.finishBlock(cutOff);
    this.finished = true;
    this.emit({
      type: 'stop',
      stopReason: this.stopReason,
      usage: this.usage.sum,
      unfinished:
        (cutOff !== null && isToolUse(cutOff.content)) ||
        (this.stopReason === 'max_tokens' && this.lastInputInvalid),
      ...(this.stopDetails === undefined ? {} : { details: this.stopDetails }),
    });
  }

  private addDelta(event: Json): void {
    const block = this.openBlock(event);
    const delta = event.delta;
    if (!isRecord(delta)) throw protocolError('The model sent a delta without a delta.');
    switch (delta.type) {
      case 'text_delta':
        if (block.content.type === 'text') this.emitText(block.index, delta.text);
        return;
      case 'input_json_delta':
        this.hold(block.input, delta.partial_json);
        return;
      case 'thinking_delta':
        this.hold(block.thinking, delta.thinking);
        this.emitThinking(delta.thinking);
        return;
      case 'signature_delta':
        block.content.signature = delta.signature;
        return;
      case 'citations_delta':
        citationsOf(block.content).push(delta.citation);
        return;
      case 'compaction_delta': {
        const { type: _, ...value } = delta;
        Object.assign(block.content, value);
        return;
      }
      default:
        this.emit({ type: 'unknown', raw: event });
    }
  }

  private openBlock(event: Json): OpenBlock {
    if (this.open === null || event.index !== this.open.index) {
      throw protocolError('The model sent a part of a block that is not open.');
    }
    return this.open;
  }

  private beginBlock(content: unknown): OpenBlock {
    if (!isRecord(content) || typeof content.type !== 'string') {
      throw protocolError('The model sent a block without a type.');
    }
    const index = this.blocks++;
    const block: OpenBlock = { index, content: { ...content, type: content.type }, input: [], thinking: [] };
    if (content.type === 'text') {
      this.emitText(index, content.text ?? '');
      block.content.text = '';
    }
    if (content.type === 'thinking') this.emitThinking(content.thinking);
    return block;
  }

  private finishBlock({ index, content, input, thinking }: OpenBlock): void {
    this.lastInputInvalid = false;
    if (thinking.length > 0) {
      content.thinking = (typeof content.thinking === 'string' ? content.thinking : '') + thinking.join('');
    }
    if (input.length > 0 || isToolUse(content)) {
      const read = readInput(input.join(''), content.input);
      this.lastInputInvalid = read === undefined;
      Object.assign(content, read ?? { input: { INVALID_JSON: input.join('').toWellFormed() } });
    }
    this.emit({ type: 'block', block: index, content });
  }

  private hold(parts: string[], part: unknown): void {
    if (typeof part !== 'string') throw protocolError('The model sent a delta that is not text.');
    this.held += part.length;
    if (this.held > MAX_HELD)
      throw protocolError(`The model sent a block of more than ${MAX_HELD} characters.`);
    if (part !== '') parts.push(part);
  }

  private emitText(block: number, text: unknown): void {
    if (typeof text !== 'string') throw protocolError('The model sent a delta that is not text.');
    if (text !== '') this.emit({ type: 'text', block, text });
  }

  private emitThinking(text: unknown): void {
    if (typeof text === 'string' && text !== '') this.emit({ type: 'thinking', text });
  }

  private readStop(told: Json): void {
    if (typeof told.stop_reason === 'string') this.stopReason = told.stop_reason;
    const details = told.stop_details;
    if (!isRecord(details) || typeof details.type !== 'string') return;
    this.stopDetails = {
      type: details.type,
      category: typeof details.category === 'string' ? details.category : null,
      explanation: typeof details.explanation === 'string' ? details.explanation : null,
    };
  }
}

/** `tool_use`, `server_tool_use`, `mcp_tool_use` and their kin to come. */
function isToolUse(content: ContentBlock): boolean {
  return content.type.endsWith('tool_use');
}

function citationsOf(content: ContentBlock): unknown[] {
  const citations: unknown[] = Array.isArray(content.citations) ? content.citations : [];
  content.citations = citations;
  return citations;
}

/** As models write half of a character. */
const SURROGATE = /\\u[dD][89a-fA-F]/;

/** The arguments object, or undefined when the text is not one: an array or a number would be refused later. */
function readInput(raw: string, atStart: unknown): Json | undefined {
  if (raw.trim() === '') return { input: isRecord(atStart) ? atStart : {} };
  try {
    const { value, numbers } = parseExactly(raw);
    if (!isRecord(value) || isDeeperThan(value, MAX_INPUT_DEPTH)) return undefined;
    // A model may write half of a character; a request with it is refused, and with it the whole conversation.
    const input = SURROGATE.test(raw) ? wellFormed(value) : value;
    return Object.keys(numbers).length === 0 ? { input } : { input, exact_numbers: numbers };
  } catch {
    return undefined;
  }
}
