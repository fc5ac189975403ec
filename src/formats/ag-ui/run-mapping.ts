import { parseEventId } from '../../event-log/event-id.js';
import type { PlacedRunEvent, RunEventData, Usage } from '../../event-log/run-event.js';
import type { AgUiEvent, AgUiInterrupt, AgUiMessage, AgUiOutcome, AgUiUsage } from './ag-ui-event.js';
import { interruptOf } from './interrupts.js';
import { ShownMessages } from './shown-messages.js';

/** What a client called the run, and what it held before it. */
export interface ClientRun {
  threadId: string;
  runId: string;
  /** The client's own; it is only given back. */
  state: unknown;
  /** The conversation up to and with the message that began the run, as the client has it. */
  history: readonly AgUiMessage[];
}

type Of<T extends PlacedRunEvent['type']> = PlacedRunEvent & { type: T };

/**
 * The log of a run in the words of AG-UI 1.0. It depends on nothing but the events that it is given, in their order:
 * the same ones make the same messages with the same ids, however often they are asked for.
 */
export class RunMapping {
  private readonly shown = new ShownMessages();
  private open: { kind: 'text' | 'reasoning'; id: string } | undefined;
  /** The message of this turn that tool calls belong to. */
  private parentId: string | undefined;
  private readonly interrupts = new Map<string, AgUiInterrupt>();
  private readonly allAsked = new Set<string>();
  private failure: RunEventData<'error'> | undefined;
  private model: string | undefined;
  private last: 'open' | 'waiting' | 'over' = 'open';
  private ending: AgUiEvent | undefined;

  constructor(private readonly client: ClientRun) {}

  /** Nothing may follow what was mapped last: the run is over, or waits for decisions. */
  get isFinished(): boolean {
    return this.last !== 'open';
  }

  /** Ids of all tool calls that a decision was asked for. */
  get asked(): ReadonlySet<string> {
    return this.allAsked;
  }

  /** Ids of the tool calls that wait for a decision. */
  get waiting(): string[] {
    return this.last === 'waiting' ? [...this.interrupts.keys()] : [];
  }

  /** What the run waits for is decided: more follows. */
  goOn(): void {
    this.last = 'open';
  }

  /** Always first. */
  begin(run: { id: string; sessionId: string }): AgUiEvent[] {
    const { threadId, runId } = this.client;
    const metadata = { run_id: run.id, session_id: run.sessionId };
    return [{ type: 'RUN_STARTED', threadId, runId, protocolVersion: '1.0', metadata }];
  }

  /**
   * For a client that may have had a part of what was mapped so far: what it shall show of it, and the message open
   * that is not whole yet. Of a run that waits or is over, with its end.
   */
  catchUp(): AgUiEvent[] {
    if (this.last === 'waiting') return this.interrupt();
    const rest = this.ending === undefined ? [] : [this.ending];
    return [this.snapshot(), ...(this.open === undefined ? rest : starts(this.open))];
  }

  /** The client shall drop what it has of the run: it is told from its beginning. */
  startAgain(): AgUiEvent[] {
    this.interrupts.clear();
    return this.takeBack(0);
  }

  /** The log's next event. */
  map(event: PlacedRunEvent): AgUiEvent[] {
    this.last = 'open';
    switch (event.type) {
      case 'run':
        return this.mapStatus(event);
      case 'token':
        return this.say('text', event);
      case 'thinking':
        return this.say('reasoning', event);
      case 'tool_call':
        return this.mapCall(event);
      case 'approval':
        this.allAsked.add(event.data.id);
        this.interrupts.set(event.data.id, interruptOf(event.run_id, event.data));
        return [];
      case 'tool_result':
        return this.mapResult(event);
      case 'reset':
        return this.takeBack(event.data.after === null ? 0 : (parseEventId(event.data.after)?.seq ?? 0));
      case 'error':
        // Only `done` makes it final: who takes the run over takes this back.
        this.failure = event.data;
        return [];
    }
    return this.finish(event.data);
  }

  private mapStatus({ data }: Of<'run'>): AgUiEvent[] {
    this.model = data.model;
    if (data.status !== 'waiting' || this.interrupts.size === 0) return [];
    this.last = 'waiting';
    return [...this.close(), ...this.interrupt()];
  }

  private say(kind: 'text' | 'reasoning', { id, seq, data }: Of<'token' | 'thinking'>): AgUiEvent[] {
    const events: AgUiEvent[] = [];
    if (this.open?.kind !== kind) {
      const messageId = kind === 'reasoning' ? (this.shown.emptyReasoning ?? id) : id;
      events.push(...this.close());
      this.open = { kind, id: messageId };
      this.parentId = kind === 'text' ? messageId : undefined;
      events.push(...starts(this.open));
    }
    const messageId = this.open?.id ?? id;
    this.shown.addText(kind === 'text' ? 'assistant' : kind, messageId, seq, data.text);
    const type = kind === 'text' ? 'TEXT_MESSAGE_CONTENT' : 'REASONING_MESSAGE_CONTENT';
    return [...events, { type, messageId, delta: data.text }];
  }

  private mapCall({ id, seq, data }: Of<'tool_call'>): AgUiEvent[] {
    const closing = this.close();
    this.parentId ??= id;
    const args = JSON.stringify(data.args ?? {});
    this.shown.addCall(this.parentId, seq, { id: data.id, name: data.name, args });
    const toolCallId = data.id;
    return [
      ...closing,
      { type: 'TOOL_CALL_START', toolCallId, toolCallName: data.name, parentMessageId: this.parentId },
      { type: 'TOOL_CALL_ARGS', toolCallId, delta: args },
      { type: 'TOOL_CALL_END', toolCallId },
    ];
  }

  private mapResult({ id, seq, data }: Of<'tool_result'>): AgUiEvent[] {
    const closing = this.close();
    this.parentId = undefined;
    this.interrupts.delete(data.id);
    const text = typeof data.result === 'string' ? data.result : JSON.stringify(data.result ?? null);
    const result = {
      toolCallId: data.id,
      content: data.is_error ? `Error: ${text}` : text,
      metadata: { is_error: data.is_error, duration_ms: data.duration_ms },
    };
    this.shown.addResult(id, seq, result);
    return [...closing, { type: 'TOOL_CALL_RESULT', messageId: id, role: 'tool', ...result }];
  }

  private takeBack(seq: number): AgUiEvent[] {
    const closing = this.close();
    this.parentId = undefined;
    this.failure = undefined;
    this.shown.dropAfter(
      seq,
      this.client.history.some(({ role }) => role === 'reasoning'),
    );
    return [...closing, this.snapshot()];
  }

  private finish(done: RunEventData<'done'>): AgUiEvent[] {
    const closing = this.close();
    this.last = 'over';
    const usage = [usageOf(done.usage, this.model)];
    if (done.status === 'failed') {
      const { error = 'The run failed.', code = 'internal', retryable = false } = this.failure ?? {};
      this.ending = { type: 'RUN_ERROR', message: error, code, usage, metadata: { retryable } };
    } else {
      const type = done.status === 'cancelled' ? 'cancelled' : 'success';
      const metadata = { stop_reason: done.stop_reason, cost_usd: done.cost_usd };
      this.ending = { ...this.finished({ type }), usage, metadata };
    }
    return [...closing, this.ending];
  }

  /** What a run needs to be gone on with stands before its end (AG-UI: state at the interrupt boundary). */
  private interrupt(): AgUiEvent[] {
    return [
      { type: 'STATE_SNAPSHOT', snapshot: this.client.state ?? {} },
      this.snapshot(),
      this.finished({ type: 'interrupt', interrupts: [...this.interrupts.values()] }),
    ];
  }

  private finished(outcome: AgUiOutcome): AgUiEvent & { type: 'RUN_FINISHED' } {
    const { threadId, runId } = this.client;
    return { type: 'RUN_FINISHED', threadId, runId, outcome };
  }

  private snapshot(): AgUiEvent {
    return { type: 'MESSAGES_SNAPSHOT', messages: [...this.client.history, ...this.shown.list()] };
  }

  private close(): AgUiEvent[] {
    if (this.open === undefined) return [];
    const { kind, id: messageId } = this.open;
    this.open = undefined;
    if (kind === 'text') return [{ type: 'TEXT_MESSAGE_END', messageId }];
    return [
      { type: 'REASONING_MESSAGE_END', messageId },
      { type: 'REASONING_END', messageId },
    ];
  }
}

function starts({ kind, id: messageId }: { kind: 'text' | 'reasoning'; id: string }): AgUiEvent[] {
  if (kind === 'text') return [{ type: 'TEXT_MESSAGE_START', messageId, role: 'assistant' }];
  return [
    { type: 'REASONING_START', messageId },
    { type: 'REASONING_MESSAGE_START', messageId, role: 'reasoning' },
  ];
}

/** What was read from a cache, or written to it, are input tokens here; our own `input_tokens` leave them out. */
function usageOf(usage: Usage, model: string | undefined): AgUiUsage {
  const cached = usage.cache_read_input_tokens;
  const written = usage.cache_creation_input_tokens;
  const inputTokens = usage.input_tokens + cached + written;
  return {
    ...(model === undefined ? {} : { model }),
    inputTokens,
    outputTokens: usage.output_tokens,
    totalTokens: inputTokens + usage.output_tokens,
    cachedInputTokens: cached,
    cacheWriteInputTokens: written,
  };
}
