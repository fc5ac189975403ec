import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { ModelError, type ModelEvent } from '../language-model.js';
import { protocolError, truncatedError, wrongAnswerError } from './anthropic-errors.js';
import { parseExactly } from './exact-json.js';
import { isRecord, type Json } from '../json.js';
import { MessageAccumulator } from './message-accumulator.js';

/** The longest event taken, in characters; a line without an end would fill the heap. */
const MAX_EVENT = 16 * 1024 * 1024;

/**
 * Makes model events of the bytes of one streamed answer, however they are cut.
 *
 * Events that came before a failure are handed out first, so what is shown does not depend on where the
 * network cut the bytes.
 */
export class WireDecoder {
  /** What broke the stream; nothing follows it. */
  failure: ModelError | null = null;

  private readonly utf8 = new TextDecoder('utf-8', { fatal: true });
  private readonly parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: (message) => this.receive(message),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded')
        throw protocolError('The model sent an endless event.', error);
    },
  });
  private readonly accumulator: MessageAccumulator;
  private events: ModelEvent[] = [];
  private received = false;

  /** @param requestId the provider's id of this attempt */
  constructor(requestId?: string) {
    this.accumulator = new MessageAccumulator((event) => this.events.push(event), requestId);
  }

  /** The message is whole. */
  get finished(): boolean {
    return this.accumulator.finished;
  }

  /** Takes the next bytes. Look at `failure` after the events. */
  decode(bytes: Uint8Array): ModelEvent[] {
    this.events = [];
    if (this.failure !== null || this.finished) return this.events;
    try {
      this.parser.feed(this.utf8.decode(bytes, { stream: true }));
    } catch (error) {
      this.failure =
        error instanceof ModelError ? error : protocolError('The model sent bytes that are no text.', error);
    }
    return this.events;
  }

  /** The body is over, or, with a cause, broke off. An event without its blank line does not count (WHATWG SSE). */
  end(cause?: unknown): void {
    if (this.failure !== null || this.finished) return;
    this.failure =
      this.received || cause !== undefined
        ? truncatedError(cause)
        : wrongAnswerError('The model answered with an empty stream.');
  }

  private receive(message: EventSourceMessage): void {
    if (this.finished) return;
    this.received = true;
    if (message.event === 'ping') return;
    const event = parseEvent(message.data);
    const type = typeof event.type === 'string' ? event.type : message.event;
    if (type !== undefined) this.accumulator.push(type, event);
  }
}

/** Input of a tool that comes whole, at the start of its block, and may hold numbers that a double cannot. */
const LONG_NUMBER = /[:[,]\s*-?\d{16}/;

function parseEvent(data: string): Json {
  let event: unknown;
  try {
    event = data.includes('"input":') && LONG_NUMBER.test(data) ? parseExactly(data).value : JSON.parse(data);
  } catch (error) {
    throw protocolError('The model sent an event that is not JSON.', error);
  }
  if (!isRecord(event)) throw protocolError('The model sent an event that is not an object.');
  return event;
}
