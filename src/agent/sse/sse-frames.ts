import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import { SharedFrames, type ViewerReset } from '../view-plan.js';

/**
 * Pages as chunks of a chunked body (RFC 9112 §7.1): server-sent events (WHATWG HTML §9.2) between a chunk's length
 * and its end. In each block `id:` comes last: some clients adopt an id with its line, and would lose an event that is
 * cut off in between.
 */
const chunks = new SharedFrames((page) => chunkOf(format(page)));

export function sseChunks(pages: readonly LogPage[]): readonly Buffer[] {
  return chunks.of(pages);
}

/** A page as server-sent events alone. */
export function ssePage(page: LogPage): Buffer {
  return contentOf(chunks.ofPage(page));
}

/** Told to one viewer alone: no event of the log, so without id. */
export function sseReset({ reset }: ViewerReset): Buffer {
  return chunkOf(`event: reset\ndata: ${JSON.stringify(reset)}\n\n`);
}

/** Nothing is no chunk: one of length 0 would end the body. */
export function chunkOf(content: string): Buffer {
  if (content === '') return Buffer.alloc(0);
  const length = Buffer.byteLength(content);
  const head = `${length.toString(16)}\r\n`;
  // In one piece: what is only copied further would be garbage of the size of all that is sent.
  const chunk = Buffer.allocUnsafe(head.length + length + 2);
  chunk.write(head, 'latin1');
  chunk.write(content, head.length);
  chunk.write('\r\n', head.length + length, 'latin1');
  return chunk;
}

/** What one chunk holds. */
export function contentOf(chunk: Buffer): Buffer {
  return chunk.subarray(chunk.indexOf('\n') + 1, -2);
}

/** What chunks hold that follow each other. */
export function contentsOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const begin = bytes.indexOf('\n', at) + 1;
    const end = begin + Number.parseInt(bytes.toString('latin1', at, begin), 16);
    found.push(bytes.subarray(begin, end));
    at = end + 2;
  }
  return found;
}

function format({ runId, attempt, firstSeq, entries }: LogPage): string {
  let text = '';
  let seq = firstSeq;
  for (const { type, data } of entries) {
    text += `event: ${type}\ndata: ${data}\nid: ${formatEventId({ runId, attempt, seq })}\n\n`;
    seq += 1;
  }
  return text;
}
