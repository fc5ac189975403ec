import { wireEvent } from './anthropic-sse.js';

/** What goes wrong with a streamed answer, after so many of its bytes. */
export type Fault =
  /** The body ends in the usual way, too early. */
  | { kind: 'cut'; at: number }
  /** The connection is reset. */
  | { kind: 'reset'; at: number }
  /** Nothing comes any more; the connection stays open. */
  | { kind: 'stall'; at: number }
  /** After the event in which the byte lies: an `error` event, and the end. */
  | { kind: 'error'; at: number; type: string; details?: Record<string, unknown> }
  /** Bytes that are no events and no text, and the end. */
  | { kind: 'garbage'; at: number }
  /** After the event in which the byte lies: the answer from its beginning once more. */
  | { kind: 'second-start'; at: number };

/** What the strict upstream answers to one request that it has taken. */
export interface StrictAnswer {
  /** 200 when not given. With `sse` only 200 makes sense. */
  status?: number;
  headers?: Record<string, string>;
  /** The stream: one text, or events. */
  sse?: string | Iterable<string>;
  /** The body where there is no stream: an error as Anthropic words it, or any text. */
  error?: { type: string; message: string; details?: Record<string, unknown> };
  body?: string;
  fault?: Fault;
  /** A `ping` event after each event. */
  pings?: boolean;
  /** Writes of so many bytes, so many milliseconds apart. */
  drip?: { bytes: number; ms: number };
  /** Waits for this before the headers, or after so many bytes: what a test does meanwhile is its own. */
  hold?: { at: number; until: Promise<unknown> };
}

/** The bytes of a stream with its pings and its fault, and how the connection ends after them. */
export interface Plan {
  bytes: Buffer;
  end: 'end' | 'reset' | 'stall';
}

const GARBAGE = Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x0a, 0xc3, 0x28, 0x0a, 0x0a]);

export function planOf(answer: StrictAnswer): Plan {
  const events = typeof answer.sse === 'string' ? [answer.sse] : [...(answer.sse ?? [])];
  const text = answer.pings ? withPings(events.join('')) : events.join('');
  const bytes = Buffer.from(text);
  return answer.fault === undefined ? { bytes, end: 'end' } : broken(bytes, answer.fault);
}

function broken(bytes: Buffer, fault: Fault): Plan {
  const upTo = bytes.subarray(0, fault.at);
  const upToEvent = bytes.subarray(0, endOfEvent(bytes, fault.at));
  if (fault.kind === 'cut') return { bytes: upTo, end: 'end' };
  if (fault.kind === 'garbage') return { bytes: Buffer.concat([upTo, GARBAGE]), end: 'end' };
  if (fault.kind === 'second-start') return { bytes: Buffer.concat([upToEvent, bytes]), end: 'end' };
  if (fault.kind !== 'error') return { bytes: upTo, end: fault.kind };
  const error = { type: fault.type, message: 'scripted', details: fault.details };
  return { bytes: Buffer.concat([upToEvent, Buffer.from(wireEvent('error', { error }))]), end: 'end' };
}

/** The place right after the event in which the byte lies. */
function endOfEvent(bytes: Buffer, at: number): number {
  const blank = bytes.indexOf('\n\n', Math.max(0, at - 1));
  return blank === -1 ? bytes.length : blank + 2;
}

function withPings(text: string): string {
  return text.replaceAll('\n\n', `\n\n${wireEvent('ping')}`);
}
