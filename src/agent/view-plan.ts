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

/** Bytes up to which the frames of several pages are joined; what is more is written page by page, without a copy. */
const JOINED = 16_384;

/** What is written at once; a text in UTF-8. */
export type Frames = Buffer | string;

/**
 * Pages as one transport writes them, each made once for all viewers. Many small ones are joined, once for those who
 * are at the same place and ask one after the other; large ones are not, since copies for viewers who read at different
 * places would be garbage of the size of all that they are sent.
 */
export class SharedFrames<F extends Frames> {
  private readonly made = new WeakMap<LogPage, F>();
  private joined: { parts: readonly Frames[]; whole: readonly [Buffer] } | undefined;

  constructor(private readonly make: (page: LogPage) => F) {}

  /** To be written in this order. */
  of(pages: readonly LogPage[]): readonly (F | Buffer)[] {
    const parts = pages.map((page) => this.ofPage(page));
    if (parts.length < 2 || !areSmall(parts)) return parts;
    if (this.joined === undefined || !isSame(this.joined.parts, parts)) {
      this.joined = { parts, whole: [Buffer.concat(parts)] };
    }
    return this.joined.whole;
  }

  ofPage(page: LogPage): F {
    let frames = this.made.get(page);
    if (frames === undefined) {
      frames = this.make(page);
      this.made.set(page, frames);
    }
    return frames;
  }
}

function areSmall(parts: readonly Frames[]): parts is readonly Buffer[] {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  return size <= JOINED && parts.every((part) => typeof part !== 'string');
}

function isSame(some: readonly Frames[], others: readonly Frames[]): boolean {
  return some.length === others.length && some.every((part, index) => part === others[index]);
}
