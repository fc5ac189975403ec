import { formatEventId } from './event-id.js';
import type { LogPage } from './event-log.js';
import type { PlacedRunEvent } from './run-event.js';

/** The events of pages as objects with their places, for programs; viewers get the text as it is. */
export function* placeEvents(pages: readonly LogPage[]): Generator<PlacedRunEvent> {
  for (const { runId, attempt, firstSeq, entries } of pages) {
    for (const [index, { type, data }] of entries.entries()) {
      const seq = firstSeq + index;
      const place = { id: formatEventId({ runId, attempt, seq }), run_id: runId, attempt, seq };
      yield { type, data: JSON.parse(data) as unknown, ...place } as PlacedRunEvent;
    }
  }
}
