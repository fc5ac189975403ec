import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import { type Frames, SharedFrames, type ViewerReset } from '../view-plan.js';

/**
 * Larger chunks stay texts: bytes outside of the heap are given back by full collections alone, so a fast model would
 * leave tens of megabytes of them, and encoding is the least that a large one costs.
 */
const SHARED_BYTES = 4_096;

/**
 * Pages as chunks of a chunked body (RFC 9112 §7.1): server-sent events (WHATWG HTML §9.2) between a chunk's length
 * and its end. In each block `id:` comes last: some clients adopt an id with its line, and would lose an event that is
 * cut off in between.
 */
const chunks = new SharedFrames((page) => chunkOf(format(page)));

export function sseChunks(pages: readonly LogPage[]): readonly Frames[] {
  return chunks.of(pages);
}

/** A page as server-sent events alone. */
export function ssePage(page: LogPage): Frames {
  return contentOf(chunks.ofPage(page));
}

/** Told to one viewer alone: no event of the log, so without id. */
export function sseReset({ reset }: ViewerReset): Frames {
  return chunkOf(`event: reset\ndata: ${JSON.stringify(reset)}\n\n`);
}

/** Nothing is no chunk: one of length 0 would end the body. */
export function chunkOf(content: string): Frames {
  if (content === '') return '';
  const length = Buffer.byteLength(content);
  const chunk = `${length.toString(16)}\r\n${content}\r\n`;
  return length > SHARED_BYTES ? chunk : Buffer.from(chunk);
}

/** What one chunk holds. */
export function contentOf<F extends Frames>(chunk: F): F {
  return (
    typeof chunk === 'string'
      ? chunk.slice(chunk.indexOf('\n') + 1, -2)
      : chunk.subarray(chunk.indexOf('\n') + 1, -2)
  ) as F;
}

/** What chunks hold that follow each other. */
export function contentsOf(bytes: Frames): Frames[] {
  if (typeof bytes === 'string') return bytes === '' ? [] : [contentOf(bytes)];
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
