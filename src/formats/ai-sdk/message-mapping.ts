import { parseEventId } from '../../event-log/event-id.js';
import type { PlacedRunEvent, RunEventData } from '../../event-log/run-event.js';
import { TurnText } from './turn-text.js';
import type { Dialect, FinishReason, UiChunk } from './ui-chunk.js';

export interface MappingOptions {
  dialect: Dialect;
  /**
   * `seq` of the last event that was there when the answer began. Up to it, what a run took back is left out instead
   * of being shown and taken back.
   */
  known: number;
  /** Whether the last known event, when it is a wait for decisions, is one that has been decided. */
  isDecided: boolean;
  /** Calls that the client's message has without an outcome: it is told only what came after they were asked about. */
  openCalls?: ReadonlySet<string> | undefined;
}

/** What was shown is to be taken back, and this client cannot do so: it has to ask for the whole message again. */
export class MessageBroken extends Error {}

/** What a person's denial of a call is answered with (runs/loop/tool-step.ts). */
const DENIED = 'Denied by the user';

const FINISH_REASONS: Record<string, FinishReason> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'content-filter',
  tool_use: 'tool-calls',
};

/**
 * The log of a run as one message of the AI SDK. It depends on nothing but the events that it is given, in their
 * order: the same ones make the same parts with the same ids, however often they are asked for.
 */
export class MessageMapping {
  private text = new TurnText();
  private isStarted = false;
  private isStepOpen = false;
  /** A call of the step has its outcome: what the model says next is the next step. */
  private isStepOver = false;
  /** `seq` of the last event that was shown and is not text of this step. */
  private lastFixed = 0;
  private readonly asked = new Set<string>();
  private failure: RunEventData<'error'> | undefined;
  private place: 'before' | 'at' | 'after';
  private isOver = false;

  constructor(private readonly options: MappingOptions) {
    this.place = options.openCalls === undefined ? 'after' : 'before';
  }

  /** The message is whole, or waits for a person: nothing may follow. */
  get isFinished(): boolean {
    return this.isOver;
  }

  /** The log's next event. @throws MessageBroken */
  map(event: PlacedRunEvent): UiChunk[] {
    const chunks = this.start(event);
    if (this.place === 'after') chunks.push(...this.mapEvent(event));
    else chunks.push(...this.seek(event));
    const mayShow = this.options.dialect.hasReset && event.seq >= this.options.known;
    if (mayShow && this.place === 'after' && !this.isOver) chunks.push(...this.say(false));
    return chunks;
  }

  private start({ run_id: messageId }: PlacedRunEvent): UiChunk[] {
    if (this.isStarted) return [];
    this.isStarted = true;
    return [{ type: 'start', messageId }];
  }

  /** The client has all up to the request for its decision, and of what came then at most the outcomes of other calls. */
  private seek(event: PlacedRunEvent): UiChunk[] {
    if (event.type === 'approval' && this.options.openCalls?.has(event.data.id)) {
      this.place = 'at';
      this.isStepOver = true;
      this.asked.add(event.data.id);
      return [];
    }
    if (event.type === 'done') return this.goOnAfter(event);
    if (this.place === 'before') return [];
    if (event.type === 'approval') this.asked.add(event.data.id);
    if (event.type === 'tool_result') return this.mapEvent(event);
    const isNext = event.type === 'token' || event.type === 'thinking' || event.type === 'tool_call';
    return isNext || isWait(event) ? this.goOnAfter(event) : [];
  }

  private goOnAfter(event: PlacedRunEvent): UiChunk[] {
    this.place = 'after';
    return this.mapEvent(event);
  }

  private mapEvent(event: PlacedRunEvent): UiChunk[] {
    switch (event.type) {
      case 'run':
        return isWait(event) ? this.wait(event.seq) : [];
      case 'token':
      case 'thinking': {
        const next = this.nextStep();
        this.text.add(event.type === 'token' ? 'text' : 'reasoning', event.seq, event.data.text);
        return next;
      }
      case 'reset':
        return this.takeBack(event.data.after === null ? 0 : (parseEventId(event.data.after)?.seq ?? 0));
      case 'error':
        // Only `done` makes it final: who takes the run over takes this back.
        this.failure = event.data;
        return [];
      case 'done':
        return this.finish(event.data);
      case 'tool_call':
        return this.fixed(event, this.call(event.data));
      case 'approval':
        return this.fixed(event, [this.request(event.run_id, event.data)]);
      default:
        this.isStepOver = true;
        return this.fixed(event, [this.outcome(event.data)]);
    }
  }

  private fixed({ seq }: PlacedRunEvent, chunks: UiChunk[]): UiChunk[] {
    this.lastFixed = seq;
    return chunks;
  }

  private call({ id: toolCallId, name: toolName, args }: RunEventData<'tool_call'>): UiChunk[] {
    return [
      ...this.nextStep(),
      ...this.say(),
      ...this.text.close(),
      ...this.openStep(),
      { type: 'tool-input-start', toolCallId, toolName },
      { type: 'tool-input-available', toolCallId, toolName, input: args ?? {} },
    ];
  }

  private request(
    runId: string,
    { id, name, args, expires_at: expiresAt }: RunEventData<'approval'>,
  ): UiChunk {
    this.asked.add(id);
    if (this.options.dialect.hasApprovals) {
      return { type: 'tool-approval-request', approvalId: id, toolCallId: id };
    }
    const data = { runId, toolCallId: id, toolName: name, input: args, expiresAt };
    return { type: 'data-approval', id, data };
  }

  private outcome({ id: toolCallId, result, is_error: isError }: RunEventData<'tool_result'>): UiChunk {
    const wasAsked = this.asked.delete(toolCallId);
    if (!isError) return { type: 'tool-output-available', toolCallId, output: result };
    const errorText = typeof result === 'string' ? result : JSON.stringify(result);
    const isDenied = wasAsked && errorText.startsWith(DENIED);
    if (isDenied && this.options.dialect.hasApprovals) return { type: 'tool-output-denied', toolCallId };
    return { type: 'tool-output-error', toolCallId, errorText };
  }

  /** A run that waits ends the answer; what was waited for and has come since is passed over. */
  private wait(seq: number): UiChunk[] {
    const { known, isDecided } = this.options;
    const isPast = seq < known || (seq === known && isDecided);
    return isPast || this.asked.size === 0 ? [] : this.end({ type: 'finish', finishReason: 'tool-calls' });
  }

  private takeBack(seq: number): UiChunk[] {
    this.failure = undefined;
    if (seq < this.lastFixed) throw new MessageBroken();
    if (this.text.dropAfter(seq) && !this.options.dialect.hasReset) throw new MessageBroken();
    return [];
  }

  private finish({ status, stop_reason: reason }: RunEventData<'done'>): UiChunk[] {
    if (status === 'cancelled') return this.end({ type: 'abort' });
    if (status === 'failed')
      return this.end({ type: 'error', errorText: this.failure?.error ?? 'The run failed.' });
    return this.end({ type: 'finish', finishReason: FINISH_REASONS[reason ?? ''] ?? 'other' });
  }

  private end(last: UiChunk): UiChunk[] {
    this.isOver = true;
    return [...this.say(), ...this.closeStep(), last];
  }

  /** What was said and not sent yet. */
  private say(isAll = true): UiChunk[] {
    const said = this.text.flush(isAll);
    return said.length === 0 ? [] : [...this.openStep(), ...said];
  }

  private openStep(): UiChunk[] {
    if (this.isStepOpen) return [];
    this.isStepOpen = true;
    return [{ type: 'start-step' }];
  }

  private closeStep(): UiChunk[] {
    const end = this.text.close();
    if (!this.isStepOpen) return end;
    this.isStepOpen = false;
    return [...end, { type: 'finish-step' }];
  }

  private nextStep(): UiChunk[] {
    if (!this.isStepOver) return [];
    const end = [...this.say(), ...this.closeStep()];
    this.text = new TurnText();
    this.isStepOver = false;
    return end;
  }
}

function isWait(event: PlacedRunEvent): boolean {
  return event.type === 'run' && event.data.status === 'waiting';
}
