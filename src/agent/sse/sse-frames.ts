import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import type { ViewerReset } from '../view-plan.js';

const framed = new WeakMap<LogPage, Buffer>();

/**
 * A page as server-sent events (WHATWG HTML §9.2). Made once for all viewers of a run. In each block `id:` comes
 * last: some clients adopt an id with its line, and would lose an event that is cut off in between.
 */
export function ssePage(page: LogPage): Buffer {
  let frame = framed.get(page);
  if (frame === undefined) {
    frame = Buffer.from(format(page));
    framed.set(page, frame);
  }
  return frame;
}

/** Told to one viewer alone: no event of the log, so without id. */
export function sseReset({ reset }: ViewerReset): Buffer {
  return Buffer.from(`event: reset\ndata: ${JSON.stringify(reset)}\n\n`);
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
