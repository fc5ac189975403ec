import { isViewerReset, type ViewBatch } from '../../agent/view-plan.js';
import type { EventPlace } from '../../event-log/event-id.js';
import { placeEvents } from '../../event-log/placed-event.js';
import type { AgUiEvent } from './ag-ui-event.js';
import type { RunMapping } from './run-mapping.js';

/** How much of a run a client may have. */
export interface ClientPlace {
  /** The last event that the client may know something of; undefined: it has nothing of the run. */
  upTo: EventPlace | undefined;
  /** Calls that the client decides on with this request. */
  decided: ReadonlySet<string>;
}

/**
 * The run from its first event on, mapped: what the client may have already as one snapshot, then what follows, until
 * the run is over or waits for decisions. It holds what the client shows, so that it can be said again.
 */
export async function* readRun(
  mapping: RunMapping,
  batches: AsyncIterable<ViewBatch>,
  { upTo, decided }: ClientPlace,
): AsyncGenerator<AgUiEvent[], void> {
  let isBehind = upTo !== undefined;
  for await (const batch of batches) {
    const mapped: AgUiEvent[] = [];
    if (isViewerReset(batch)) {
      mapped.push(...mapping.startAgain());
      isBehind = false;
    } else {
      for (const event of placeEvents(batch)) {
        const events = mapping.map(event);
        if (!isBehind) mapped.push(...events);
        else if (upTo !== undefined && isAtOrAfter(event, upTo)) {
          isBehind = false;
          // Who only answers what the run waits for has all of it, and gets what follows alone.
          const isAnswer = mapping.waiting.length > 0 && mapping.waiting.every((id) => decided.has(id));
          if (isAnswer) mapping.goOn();
          else mapped.push(...mapping.catchUp());
        }
        if (!isBehind && mapping.isFinished) break;
      }
    }
    if (mapped.length > 0) yield mapped;
    if (!isBehind && mapping.isFinished) return;
  }
}

/** A log that was written anew meanwhile has other places. */
function isAtOrAfter(event: Pick<EventPlace, 'attempt' | 'seq'>, place: EventPlace): boolean {
  return event.attempt > place.attempt || event.seq >= place.seq;
}
