import type { Done, RunFailure, RunStatus, StreamEvent } from './wire.js';

/** A tool call as it stands. */
export interface ToolView {
  readonly id: string;
  readonly name: string;
  readonly args: unknown;
  /** `waiting`: for a decision until `expiresAt`. */
  state: 'called' | 'waiting' | 'answered' | 'failed';
  expiresAt: string | null;
  /** What the model was told. */
  result: unknown;
  durationMs: number | null;
}

/** What a person reads, in its order. */
export type Part =
  { type: 'text'; text: string } | { type: 'thinking'; text: string } | { type: 'tool'; tool: ToolView };

/** Place of an event in its run. */
const seqOf = (id: string | null): number => Number(id?.slice(id.lastIndexOf('.') + 1) ?? 0);
const runOf = (id: string | null): string | null => id?.slice(0, id.indexOf('.')) ?? null;

/**
 * A run as it is true now: events are applied one by one, and `reset` takes back what came after its place, so nothing
 * is here that a reader who came later would not see. Of a stream over several runs it is the latest.
 */
export class RunView {
  runId: string | null = null;
  sessionId: string | null = null;
  status: RunStatus | null = null;
  model: string | null = null;
  attempt = 0;
  parts: Part[] = [];
  /** Why it failed. */
  error: RunFailure | null = null;
  done: Done | null = null;
  lastEventId: string | null = null;
  private kept: StreamEvent[] = [];

  /** The answer, over all its turns. */
  get text(): string {
    return this.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  }

  get thinking(): string {
    return this.parts.map((part) => (part.type === 'thinking' ? part.text : '')).join('');
  }

  get tools(): ToolView[] {
    return this.parts.flatMap((part) => (part.type === 'tool' ? [part.tool] : []));
  }

  /** @returns whether it was news: an event that came before changes nothing. */
  apply(event: StreamEvent): boolean {
    if (event.id === null) {
      if (event.type === 'reset') this.clear();
      return event.type === 'reset';
    }
    if (runOf(event.id) !== this.runId) this.clear();
    else if (seqOf(event.id) <= seqOf(this.lastEventId)) return false;
    this.lastEventId = event.id;
    this.runId = runOf(event.id);
    if (event.type === 'reset') this.rewind(event.data.after);
    else {
      this.kept.push(event);
      this.draw(event);
    }
    return true;
  }

  private clear(): void {
    Object.assign(this, new RunView());
  }

  /** What the run is (status, attempt, model) is a fact, and not taken back. */
  private rewind(after: string | null): void {
    this.kept = after === null ? [] : this.kept.filter(({ id }) => seqOf(id) <= seqOf(after));
    this.parts = [];
    this.error = null;
    const { status, attempt, model } = this;
    for (const event of this.kept) this.draw(event);
    Object.assign(this, { status, attempt, model });
  }

  private draw(event: StreamEvent): void {
    switch (event.type) {
      case 'run':
        this.sessionId = event.data.session_id;
        this.status = event.data.status;
        this.attempt = event.data.attempt;
        this.model = event.data.model;
        return;
      case 'token':
        return this.write('text', event.data.text);
      case 'thinking':
        return this.write('thinking', event.data.text);
      case 'tool_call':
        return void this.call(event.data);
      case 'approval':
        return this.wait(event.data);
      case 'tool_result':
        return this.finish(event.data);
      case 'error':
        this.error = event.data;
        return;
      case 'done':
        this.done = event.data;
        this.status = event.data.status;
        return;
      default:
      // A kind of event that this version does not know.
    }
  }

  private write(type: 'text' | 'thinking', text: string): void {
    const last = this.parts.at(-1);
    if (last?.type === type) last.text += text;
    else this.parts.push({ type, text });
  }

  private call({ id, name, args }: { id: string; name: string; args?: unknown }): ToolView {
    const open = { expiresAt: null, result: undefined, durationMs: null };
    const tool: ToolView = { id, name, args, state: 'called', ...open };
    this.parts.push({ type: 'tool', tool });
    return tool;
  }

  /** The newest call of that id: a model may use one twice. */
  private find(call: { id: string; name: string; args?: unknown }): ToolView {
    return this.tools.findLast(({ id }) => id === call.id) ?? this.call(call);
  }

  private wait(asked: { id: string; name: string; args?: unknown; expires_at: string }): void {
    Object.assign(this.find(asked), { state: 'waiting', expiresAt: asked.expires_at });
  }

  private finish(told: {
    id: string;
    name: string;
    result?: unknown;
    is_error: boolean;
    duration_ms: number;
  }): void {
    const { result, is_error: isError, duration_ms: durationMs } = told;
    const tool = this.find({ id: told.id, name: told.name });
    Object.assign(tool, { state: isError ? 'failed' : 'answered', expiresAt: null, result, durationMs });
  }
}
