import { parseEventId } from '../../event-log/event-id.js';
import type { EventLog } from '../../event-log/event-log.js';
import type { Run } from '../../runs/run.js';
import type { FollowRequest, ViewPlan } from '../view-plan.js';

/** Finds runs of one session that is the viewer's. */
export interface SessionRuns {
  find(runId: string): Promise<Run | undefined>;
  latest(): Promise<Run | undefined>;
  firstOpen(): Promise<Run | undefined>;
}

/**
 * Decides where a viewer begins (wire contract §5, rules 1–5). A cursor is honoured to the letter or answered
 * with `reset` and the whole run, never with an error, silence or a gap.
 */
export class ViewPlanner {
  constructor(
    private readonly log: EventLog,
    private readonly runs: SessionRuns,
  ) {}

  /** @returns undefined when the viewer has all there is and does not follow. */
  plan(request: FollowRequest, wanted: Run | undefined): Promise<ViewPlan | undefined> {
    const hasCursor = request.cursor !== undefined && request.cursor !== '';
    return hasCursor ? this.resume(request, request.cursor ?? '', wanted) : this.begin(request, wanted);
  }

  private async begin(request: FollowRequest, wanted: Run | undefined): Promise<ViewPlan> {
    if (wanted !== undefined) return this.from(request, wanted);
    const latest = await this.runs.latest();
    const run = request.follow ? await this.runs.firstOpen() : latest;
    return { ...this.from(request, run), afterNumber: latest?.number ?? 0 };
  }

  private async resume(
    request: FollowRequest,
    cursor: string,
    wanted: Run | undefined,
  ): Promise<ViewPlan | undefined> {
    const place = parseEventId(cursor);
    const run = place?.runId === wanted?.id ? wanted : place && (await this.runs.find(place.runId));
    const isOther = wanted !== undefined && run?.id !== wanted.id;
    const isKnown =
      place !== undefined && run !== undefined && (await this.log.has(run.id, place.attempt, place.seq));
    if (place === undefined || run === undefined || isOther || !isKnown) {
      const whole = wanted ?? run ?? (await this.runs.latest());
      return { ...this.from(request, whole), isReset: true };
    }
    if (!(await this.log.isDone(run.id, place.attempt, place.seq)))
      return { ...this.from(request, run), afterSeq: place.seq };
    return request.follow ? { ...this.from(request, undefined), afterNumber: run.number } : undefined;
  }

  private from(request: FollowRequest, run: Run | undefined): ViewPlan {
    const { sessionId, follow } = request;
    return { sessionId, run, afterNumber: 0, afterSeq: 0, isReset: false, follow };
  }
}
