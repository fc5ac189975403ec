import { formatEventId } from '../../event-log/event-id.js';
import type { LogPage } from '../../event-log/event-log.js';
import { lastSeq, pageAfter } from '../../event-log/log-page.js';
import { isOpen } from '../../runs/run.js';
import type { ViewPlan } from '../view-plan.js';

/** One thing that a socket watches. */
export interface Subscription {
  /** What the client named: a run's or a session's id. */
  readonly key: string;
  readonly sessionId: string;
  readonly follow: boolean;
  readonly stop: AbortController;
  /** The run that is read now; undefined while the session's next is waited for. */
  runId: string | undefined;
  /** The last of its events that was sent. */
  sent: { id: string; seq: number } | undefined;
}

/** What one socket watches. Frames do not say for which request they come, so each event is sent once. */
export class Subscriptions {
  private readonly all = new Set<Subscription>();

  get size(): number {
    return this.all.size;
  }

  /** @param sent what was sent of the plan's run before the plan begins. */
  add(key: string, { sessionId, follow, run }: ViewPlan, sent?: Subscription['sent']): Subscription {
    const stop = new AbortController();
    const subscription: Subscription = { key, sessionId, follow, stop, runId: run?.id, sent };
    this.all.add(subscription);
    return subscription;
  }

  drop(subscription: Subscription): void {
    this.all.delete(subscription);
    subscription.stop.abort();
  }

  /** The one that stays with the session over its runs. */
  follower(sessionId: string): Subscription | undefined {
    return this.find((each) => each.follow && each.sessionId === sessionId);
  }

  /** The one that shows what the plan would show, or comes to it by itself. */
  showing({ sessionId, run, follow }: ViewPlan): Subscription | undefined {
    return this.find((each) => {
      if (each.sessionId !== sessionId) return false;
      if (each.follow && (follow || run === undefined || isOpen(run.status))) return true;
      return each.runId === run?.id;
    });
  }

  /** Those that `unsubscribe` means: of a session all, of a run those that watch nothing else. */
  meantBy(request: { session_id?: string | undefined; run_id?: string | undefined }): Subscription[] {
    const { session_id: sessionId, run_id: runId } = request;
    return [...this.all].filter((each) => {
      if (runId === undefined) return each.sessionId === sessionId;
      return each.key === runId || (each.runId === runId && !each.follow);
    });
  }

  /**
   * Notes that these pages of one run are sent next.
   * @returns what of them is to be sent: who comes to a run that another shows takes it over from there.
   */
  advance(subscription: Subscription, pages: readonly LogPage[]): readonly LogPage[] {
    const page = pages.at(-1);
    if (page === undefined) return pages;
    const { runId, attempt } = page;
    if (subscription.runId !== runId) {
      const other = this.find((each) => each.runId === runId);
      if (other !== undefined) this.drop(other);
      subscription.runId = runId;
      subscription.sent = other?.sent;
    }
    const before = subscription.sent?.seq ?? 0;
    const seq = lastSeq(page);
    if (seq > before) subscription.sent = { id: formatEventId({ runId, attempt, seq }), seq };
    return pages.some(({ firstSeq }) => firstSeq <= before) ? after(pages, before) : pages;
  }

  private find(fits: (subscription: Subscription) => boolean): Subscription | undefined {
    for (const subscription of this.all) if (fits(subscription)) return subscription;
    return undefined;
  }
}

function after(pages: readonly LogPage[], seq: number): LogPage[] {
  return pages.filter((page) => lastSeq(page) > seq).map((page) => pageAfter(page, seq));
}
