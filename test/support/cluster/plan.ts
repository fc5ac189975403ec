import { textReply, toolReply } from '../anthropic/anthropic-sse.js';
import { blocksOf } from '../anthropic/strict-anthropic.js';
import type { Reply, UpstreamCall } from '../fake-upstream.js';

/** One answer of the model: words, milliseconds between two of them, and what it calls then. */
export interface Turn {
  words: number;
  paceMs?: number;
  tool?: string;
  input?: unknown;
}

/**
 * What a user says so that the model of `byPlan` answers turn by turn as planned. The name makes the text, and
 * with it the ids of the tool calls, unique.
 */
export function asking(name: string, turns: Turn[]): string {
  return `${name} ${JSON.stringify(turns)}`;
}

/** What was asked last in a conversation, and how many answers there are since: names a run and its turn. */
export function askedIn({ body }: UpstreamCall): { content: string; turn: number } {
  const texts = body.messages.map((message) =>
    message.role === 'user' ? blocksOf(message).find(({ type }) => type === 'text')?.['text'] : undefined,
  );
  const at = texts.findLastIndex((text) => text !== undefined);
  const since = body.messages.slice(at).filter(({ role }) => role === 'assistant');
  return { content: String(texts[at]), turn: since.length };
}

/** Answers what was asked last as it plans. The same turn is answered alike, however often it is asked. */
export function byPlan(call: UpstreamCall): Reply {
  const { content, turn: at } = askedIn(call);
  const { paceMs = 0, tool, input = {} } = turnsOf(content)[at] ?? { words: 1 };
  const words = wordsOf(content, at);
  if (tool === undefined) return { sse: textReply(words), paceMs };
  return { sse: toolReply(words, [{ id: toolCallId(content, at), name: tool, input }]), paceMs };
}

/** The id of the tool call in a turn, counted from 0. */
export function toolCallId(content: string, turn: number): string {
  return `toolu_${nameOf(content).replaceAll(/\W/g, '_')}_${turn}`;
}

/** What a viewer holds in the end. */
export function plannedText(content: string): string {
  return turnsOf(content)
    .flatMap((_, turn) => wordsOf(content, turn))
    .join('');
}

function wordsOf(content: string, turn: number): string[] {
  const { words = 1 } = turnsOf(content)[turn] ?? {};
  return Array.from({ length: words }, (_, n) => `${nameOf(content)}.${turn}.${n} `);
}

/** The name that was given to `asking`. */
export function nameOf(content: string): string {
  return content.slice(0, content.indexOf(' '));
}

function turnsOf(content: string): Turn[] {
  return JSON.parse(content.slice(content.indexOf(' ') + 1)) as Turn[];
}
