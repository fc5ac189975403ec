import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import { isViewerReset, type ViewBatch } from '../view-plan.js';

const framed = new WeakMap<LogPage, string[]>();

/** A batch as messages of the socket, one an event; those of a page are made once for all viewers. */
export function socketFrames(batch: ViewBatch): string[] {
  if (isViewerReset(batch)) return [JSON.stringify({ event: 'reset', data: batch.reset })];
  return batch.length === 1 && batch[0] !== undefined ? pageFrames(batch[0]) : batch.flatMap(pageFrames);
}

function pageFrames(page: LogPage): string[] {
  let frames = framed.get(page);
  if (frames === undefined) {
    frames = format(page);
    framed.set(page, frames);
  }
  return frames;
}

function format({ runId, attempt, firstSeq, entries }: LogPage): string[] {
  return entries.map(({ type, data }, index) => {
    const id = formatEventId({ runId, attempt, seq: firstSeq + index });
    return `{"event":"${type}","id":"${id}","data":${data}}`;
  });
}
