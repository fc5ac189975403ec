import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import { isViewerReset, SharedFrames, type ViewBatch } from '../view-plan.js';

/** FIN and opcode 1: a whole text message (RFC 6455 §5.2). */
const WHOLE_TEXT = 0x81;

const frames = new SharedFrames((page) => textFrames(messagesOf(page)));

/** A batch as frames of the socket, one an event, written as they are. */
export function socketFrames(batch: ViewBatch): readonly Buffer[] {
  if (isViewerReset(batch)) return [textFrames([JSON.stringify({ event: 'reset', data: batch.reset })])];
  return frames.of(batch);
}

/** Texts as frames of a server, one each: not masked, not compressed. In one piece, so that nothing is copied further. */
export function textFrames(texts: readonly string[]): Buffer {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + headSize(length) + length, 0));
  let at = 0;
  for (const [index, text] of texts.entries()) {
    at = writeHead(bytes, at, lengths[index] ?? 0);
    at += bytes.write(text, at);
  }
  return bytes;
}

function headSize(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

/** @returns where the text begins. */
function writeHead(frames: Buffer, at: number, length: number): number {
  frames[at] = WHOLE_TEXT;
  if (length < 126) {
    frames[at + 1] = length;
  } else if (length < 65_536) {
    frames[at + 1] = 126;
    frames.writeUInt16BE(length, at + 2);
  } else {
    frames[at + 1] = 127;
    frames.writeBigUInt64BE(BigInt(length), at + 2);
  }
  return at + headSize(length);
}

function messagesOf({ runId, attempt, firstSeq, entries }: LogPage): string[] {
  return entries.map(({ type, data }, index) => {
    const id = formatEventId({ runId, attempt, seq: firstSeq + index });
    return `{"event":"${type}","id":"${id}","data":${data}}`;
  });
}
