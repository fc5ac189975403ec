import { jest } from '@jest/globals';
import type { AgentSubscriber, BaseEvent, HttpAgent, Interrupt, Message } from '@ag-ui/client';
import { EventType } from '@ag-ui/client';
import { thinkingBlock, wireEvent } from '../support/anthropic/anthropic-sse.js';

let said = 0;

export interface Told {
  events: BaseEvent[];
  failure: Error | undefined;
}

export interface Ask {
  runId?: string;
  resume?: { interruptId: string; status: 'resolved' | 'cancelled'; payload?: unknown }[];
  forwardedProps?: object;
  onEvent?: (event: BaseEvent) => void;
}

/** Runs the agent to its end, whichever that is. */
export async function run(agent: HttpAgent, { onEvent, ...parameters }: Ask = {}): Promise<Told> {
  const told: Told = { events: [], failure: undefined };
  const subscriber: AgentSubscriber = {
    onEvent: ({ event }) => {
      told.events.push(event);
      onEvent?.(event);
    },
    onRunFailed: ({ error }) => {
      told.failure = error;
    },
  };
  jest.spyOn(console, 'error').mockImplementation(() => {});
  await agent.runAgent(parameters, subscriber).catch((error: unknown) => {
    if (error !== told.failure) throw error;
  });
  return told;
}

export async function ask(agent: HttpAgent, text: string, more: Ask = {}): Promise<Told> {
  agent.addMessage({ id: `u${(said += 1)}`, role: 'user', content: text });
  return run(agent, more);
}

export const isText = ({ type }: BaseEvent) => type === EventType.TEXT_MESSAGE_CONTENT;

/** Types in a row, each row once. */
export function shapeOf(told: Told): string[] {
  return told.events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
}

export function lastOf({ events }: Told): Record<string, unknown> {
  return { ...events.at(-1) };
}

function contentOf({ content = '' }: Message): string {
  return typeof content === 'string' ? content : JSON.stringify(content);
}

/** Messages in a few words each; ids aside. */
export function linesOf(messages: readonly Message[]): string[] {
  return messages.map((message) => {
    const calls =
      message.role === 'assistant'
        ? (message.toolCalls ?? []).map(({ id, function: f }) => ` ${f.name}#${id}${f.arguments}`)
        : [];
    const of = message.role === 'tool' ? ` ${message.toolCallId}` : '';
    return `${message.role}${of}: ${contentOf(message)}${calls.join('')}`;
  });
}

export const answers = (interrupts: Interrupt[], ...said: ('yes' | 'no' | 'cancelled')[]) =>
  interrupts.map(({ id }, index) =>
    said[index] === 'cancelled'
      ? { interruptId: id, status: 'cancelled' as const }
      : { interruptId: id, status: 'resolved' as const, payload: { approved: said[index] === 'yes' } },
  );

/** A thinking block, one delta for each text. */
export function longThinking(index: number, texts: string[]): string[] {
  const [start = '', , ...rest] = thinkingBlock(index, '', 'c2ln');
  const deltas = texts.map((thinking) =>
    wireEvent('content_block_delta', { index, delta: { type: 'thinking_delta', thinking } }),
  );
  return [start, ...deltas, ...rest];
}

/** Results of parallel calls come in the order in which they ended. */
export function toolsSorted(lines: string[]): string[] {
  return [...lines.slice(0, 3), ...lines.slice(3, -1).toSorted(), ...lines.slice(-1)];
}
