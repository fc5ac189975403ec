import type { LogPage } from '../event-log/event-log.js';
import type { RunEventData } from '../event-log/run-event.js';
import type { Run } from '../runs/run.js';

/** What a viewer asks for. Without a cursor: the latest run; with `follow`: the active one, then those to come. */
export interface FollowRequest {
  sessionId: string;
  runId?: string | undefined;
  /** `Last-Event-ID`, as it came; empty counts as none. */
  cursor?: string | undefined;
  follow: boolean;
}

/** Where a viewer begins. */
export interface ViewPlan {
  sessionId: string;
  /** Undefined: the first run with a number above `afterNumber`, when it comes. */
  run: Run | undefined;
  afterNumber: number;
  /** `seq` of the last event that the viewer has. */
  afterSeq: number;
  /** The cursor could not be honoured: the viewer is told to drop what it has. */
  isReset: boolean;
  follow: boolean;
}

/** For one viewer alone, so it has no id. */
export interface ViewerReset {
  reset: RunEventData<'reset'>;
}

/** What a viewer is handed at once. */
export type ViewBatch = readonly LogPage[] | ViewerReset;

export function isViewerReset(batch: ViewBatch): batch is ViewerReset {
  return 'reset' in batch;
}

/** `over`: the viewer has everything already and shall not come back. */
export type View = 'over' | { plan: ViewPlan; batches(signal: AbortSignal): AsyncGenerator<ViewBatch, void> };
