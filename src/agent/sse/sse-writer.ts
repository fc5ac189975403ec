import type { ServerResponse } from 'node:http';
import { type HeartbeatWheel, Patience } from '../heartbeat-wheel.js';
import { isViewerReset, type ViewBatch } from '../view-plan.js';
import { chunkOf, sseChunks, sseReset } from './sse-frames.js';
import { StreamBody } from './stream-body.js';

/** Silent in every known client: a comment line without the blank line that would end a block. */
const HEARTBEAT = chunkOf(': hb\n');
const RETRY_MS = { least: 1_000, most: 1_500 };

/** Headers of a stream (wire contract §5); `X-Accel-Buffering` keeps nginx from holding events back. */
export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/**
 * Writes a viewer's batches to a response whose headers are out. The next batch is taken only when the socket has
 * room for it, so a viewer that does not read costs its cursor and the socket's buffer. One that takes nothing for
 * three heartbeats although something waits for it is cut, also when its last batch is written. The time after which
 * to come back is said once: with the first event, or alone at the end when there was none.
 * @returns when the batches end or `signal` is aborted; it never throws for a viewer that left.
 */
export async function writeEvents(
  response: ServerResponse,
  batches: AsyncIterable<ViewBatch>,
  signal: AbortSignal,
  wheel: HeartbeatWheel,
): Promise<void> {
  const body = new StreamBody(response);
  const patience = new Patience();
  let isWritten = false;
  const beating = wheel.add(() => {
    if (patience.isOver(body.waiting, body.taken)) response.destroy();
    else if (!isWritten && !body.needsDrain && !response.writableEnded) body.write(HEARTBEAT);
  });
  let retry: string | undefined = retryLine();
  try {
    for await (const batch of batches) {
      if (signal.aborted || response.destroyed) return;
      // Stands in the block of the first event: a block of its own would reach some clients as an empty message.
      if (retry !== undefined) body.write(chunkOf(retry));
      retry = undefined;
      const hasRoom = body.write(...(isViewerReset(batch) ? [sseReset(batch)] : sseChunks(batch)));
      beating.touch();
      if (!hasRoom) await body.drained(signal);
    }
  } finally {
    isWritten = true;
    // One that waits for its first event shall know as well when to come back; this line needs no block to count.
    if (retry !== undefined && !response.destroyed && !response.writableEnded) response.write(retry);
    if (body.waiting === 0) beating.remove();
    else response.once('close', () => beating.remove());
  }
}

/**
 * Spread out, so that viewers who lost one server do not all come to the next at once.
 * @param wait seconds that they shall stay away at least; up to half of it more is added.
 */
export function retryLine(wait?: number): string {
  const { least, most } = wait === undefined ? RETRY_MS : { least: wait * 1_000, most: wait * 1_500 };
  return `retry: ${Math.round(least + Math.random() * (most - least))}\n`;
}
