import type { AgUiMessage, AgUiToolResult } from './ag-ui-event.js';

interface Shown {
  id: string;
  role: 'assistant' | 'reasoning' | 'tool';
  /** Texts, each with the `seq` of its event, so that some can be taken back. */
  parts: { seq: number; text: string }[];
  calls: { seq: number; id: string; name: string; args: string }[];
  result?: AgUiToolResult & { seq: number };
}

/** What a client shows of a run after its events: the same list of messages that the client makes of them. */
export class ShownMessages {
  private messages: Shown[] = [];

  addText(role: 'assistant' | 'reasoning', id: string, seq: number, text: string): void {
    this.open(role, id).parts.push({ seq, text });
  }

  addCall(parentId: string, seq: number, call: { id: string; name: string; args: string }): void {
    this.open('assistant', parentId).calls.push({ seq, ...call });
  }

  /** Clients put a result behind the message with its call and behind the results that are there already. */
  addResult(id: string, seq: number, result: AgUiToolResult): void {
    const shown: Shown = { id, role: 'tool', parts: [], calls: [], result: { seq, ...result } };
    const caller = this.messages.findIndex(({ calls }) =>
      calls.some((call) => call.id === result.toolCallId),
    );
    if (caller < 0) return void this.messages.push(shown);
    const next = this.messages.findIndex(({ role }, index) => index > caller && role !== 'tool');
    this.messages.splice(next < 0 ? this.messages.length : next, 0, shown);
  }

  /**
   * Takes back everything after an event.
   * @param mayLoseReasoning a snapshot without any reasoning leaves a client what it has of it; unless this is true,
   * an empty message stays in its place then.
   */
  dropAfter(seq: number, mayLoseReasoning: boolean): void {
    const reasoning = this.messages.find(({ role }) => role === 'reasoning');
    for (const message of this.messages) {
      message.parts = message.parts.filter((part) => part.seq <= seq);
      message.calls = message.calls.filter((call) => call.seq <= seq);
    }
    this.messages = this.messages.filter(
      ({ parts, calls, result }) =>
        parts.length + calls.length > 0 || (result !== undefined && result.seq <= seq),
    );
    const isLost = reasoning !== undefined && !this.messages.some(({ role }) => role === 'reasoning');
    if (isLost && !mayLoseReasoning) this.messages.push({ ...reasoning, parts: [] });
  }

  /** Id of a reasoning message that stands there without a text. */
  get emptyReasoning(): string | undefined {
    return this.messages.find(({ role, parts }) => role === 'reasoning' && parts.length === 0)?.id;
  }

  list(): AgUiMessage[] {
    return this.messages.map(view);
  }

  private open(role: Shown['role'], id: string): Shown {
    const known = this.messages.findLast((message) => message.id === id);
    if (known !== undefined) return known;
    const message: Shown = { id, role, parts: [], calls: [] };
    this.messages.push(message);
    return message;
  }
}

function view({ id, role, parts, calls, result }: Shown): AgUiMessage {
  if (result !== undefined) {
    const { toolCallId, content, metadata } = result;
    return { id, role, toolCallId, content, metadata };
  }
  const content = parts.map(({ text }) => text).join('');
  if (role === 'reasoning') return { id, role, content };
  const toolCalls = calls.map((call) => ({
    id: call.id,
    type: 'function' as const,
    function: { name: call.name, arguments: call.args },
  }));
  return {
    id,
    role: 'assistant',
    ...(parts.length > 0 ? { content } : {}),
    ...(toolCalls.length > 0 ? { toolCalls } : {}),
  };
}
