import { AgentlineError } from './agentline-error.js';
import type { Connect } from './connection.js';
import { Pauses, type PauseOptions } from './pauses.js';
import { RunView } from './run-view.js';
import type { FollowTarget, StreamEvent } from './wire.js';

export interface FollowOptions {
  /** Ends it: the loop throws the signal's reason, and the run goes on. */
  signal?: AbortSignal | undefined;
  /**
   * Told when a connection is there and when one is lost; `error` is why it is tried again, undefined after a
   * usual end.
   */
  onConnection?: ((state: 'open' | 'lost', error?: AgentlineError) => void) | undefined;
  /** Told everything about connections, for who shows what happened on the wire. The events are those of the loop. */
  onWire?: ((happening: WireHappening) => void) | undefined;
}

/**
 * What happened to the connection. `asked`: a connection is sought, after the event `last_event_id` where there is one;
 * `open`: the server answers; `lost`: the connection ended before `done`, or could not be had (`error`), and the next is
 * sought after `retry_ms` milliseconds; `over`: the server has nothing after `last_event_id` (204).
 */
export type WireHappening =
  | { kind: 'asked'; last_event_id: string | null }
  | { kind: 'open' }
  | { kind: 'lost'; error: AgentlineError | null; retry_ms: number }
  | { kind: 'over' };

export interface StreamSetup {
  connect: Connect;
  /** Settles what is not known of it: the session of a run. */
  locate: (target: FollowTarget) => Promise<FollowTarget>;
  pauses: PauseOptions;
}

/**
 * The events of a run, each once and in order, over as many connections as it takes.
 *
 * A loop that is left, by `break` or by an error of its own, leaves the connection; a second loop goes on after the
 * last event. Only what the server says for good ends it with an error: 401, 403, 404 and other refusals.
 */
export class RunStream implements AsyncIterable<StreamEvent> {
  /** What is true after the event that was handed out last. */
  readonly view = new RunView();
  private cursor: string | undefined;
  private isOver = false;

  constructor(
    private target: FollowTarget,
    private readonly setup: StreamSetup,
    private readonly options: FollowOptions = {},
  ) {
    this.cursor = target.last_event_id;
  }

  /** With this and the session another stream goes on where this one stands. */
  get lastEventId(): string | undefined {
    return this.cursor;
  }

  /** Reads to the end. @returns the run as it is then. */
  async settled(): Promise<RunView> {
    const events = this[Symbol.asyncIterator]();
    for (let next = await events.next(); next.done !== true; next = await events.next());
    return this.view;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void> {
    const pauses = new Pauses(this.setup.pauses);
    const signal = this.options.signal ?? new AbortController().signal;
    while (!this.isOver) {
      signal.throwIfAborted();
      let reason: AgentlineError | undefined;
      try {
        yield* this.oneConnection(pauses, signal);
      } catch (error) {
        if (!(error instanceof AgentlineError && error.isPassing)) throw error;
        reason = error;
      }
      if (this.isOver) return;
      this.options.onConnection?.('lost', reason);
      const retryMs = pauses.next(reason);
      this.options.onWire?.({ kind: 'lost', error: reason ?? null, retry_ms: retryMs });
      await pauses.rest(retryMs, signal);
    }
  }

  private async *oneConnection(pauses: Pauses, signal: AbortSignal): AsyncGenerator<StreamEvent, void> {
    const { onConnection, onWire } = this.options;
    this.target = await this.setup.locate(this.target);
    onWire?.({ kind: 'asked', last_event_id: this.cursor ?? null });
    for await (const heard of this.setup.connect(this.next(), signal)) {
      if (heard.kind === 'open') onConnection?.('open');
      if (heard.kind === 'retry') pauses.hear(heard.milliseconds);
      if (heard.kind === 'over') this.isOver = true;
      if (heard.kind === 'open' || heard.kind === 'over') onWire?.({ kind: heard.kind });
      if (heard.kind !== 'event') continue;
      pauses.reset();
      const { event } = heard;
      if (!this.view.apply(event)) continue;
      this.cursor = event.id ?? undefined;
      this.isOver = event.type === 'done' && this.target.follow !== true;
      yield event;
      if (this.isOver) return;
    }
  }

  /** Who stays over runs may be in another run by now than the one that was named. */
  private next(): FollowTarget {
    const { run_id: runId, ...rest } = this.target;
    const isNamed = runId !== undefined && (rest.follow !== true || this.cursor === undefined);
    return { ...rest, ...(isNamed && { run_id: runId }), last_event_id: this.cursor };
  }
}
