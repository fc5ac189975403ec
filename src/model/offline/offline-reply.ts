import { isRecord, type Json } from '../json.js';
import { callsFor } from './offline-calls.js';
import type { OfflineBlock, OfflineMessage, OfflineRequest } from './offline-request.js';

export type ReplyBlock = { type: 'text'; text: string } | { type: 'tool_use'; name: string; input: Json };

export interface OfflineReply {
  blocks: ReplyBlock[];
  stopReason: 'end_turn' | 'tool_use' | 'max_tokens';
}

/** The first sentence of the first answer to every message. */
export const STAND_IN = "I am Agentline's offline stand-in, not a model.";

const MAX_COUNT = 10_000;
const COUNT_TO = /\bcount (?:up )?to (\d[\d,_ ]*)/i;
const QUOTE_LENGTH = 200;
const RESULT_LENGTH = 2000;

/**
 * Plans the answer to a request by fixed rules: results of tools are told, calls that the text asks for are
 * made, "count to N" counts, and everything else is answered with what was received and what could be asked.
 */
export function planReply(request: OfflineRequest): OfflineReply {
  const { results, said } = sinceLastAnswer(request.messages);
  const told = results.length === 0 ? '' : tellResults(results, request.messages);
  if (results.length > 0 && said.length === 0) return withinTokens([{ type: 'text', text: told }], request);
  const fresh = answerTo(said, request);
  const blocks = told === '' ? fresh : [{ type: 'text' as const, text: `${told}\n\n` }, ...fresh];
  return withinTokens(blocks, request);
}

function sinceLastAnswer(messages: OfflineMessage[]): { results: OfflineBlock[]; said: OfflineBlock[] } {
  const from = messages.findLastIndex((message) => message.role === 'assistant') + 1;
  const blocks = messages.slice(from).flatMap((message) => message.content);
  return {
    results: blocks.filter((block) => block.type === 'tool_result'),
    said: blocks.filter((block) => block.type !== 'tool_result'),
  };
}

function answerTo(said: OfflineBlock[], request: OfflineRequest): ReplyBlock[] {
  const text = said
    .map(textOf)
    .filter((text) => text !== '')
    .join('\n');
  const opening = [STAND_IN, ...said.flatMap(unseen)].join(' ');
  const count = COUNT_TO.exec(text)?.[1];
  if (count !== undefined)
    return [{ type: 'text', text: `${opening} ${countTo(Number(count.replaceAll(/\D/g, '')))}` }];
  const calls = request.tool_choice?.type === 'none' ? [] : callsFor(text, request.tools);
  if (calls.length === 0) return [{ type: 'text', text: `${opening} ${describeInput(text, request)}` }];
  const names = [...new Set(calls.map((call) => call.name))].join(' and ');
  return [
    { type: 'text', text: `${opening} I ask for ${names}.` },
    ...calls.map((call) => ({ type: 'tool_use' as const, ...call })),
  ];
}

function countTo(last: number): string {
  if (last > MAX_COUNT) return `I count to ${MAX_COUNT} at most.`;
  return Array.from({ length: last }, (_, index) => index + 1).join(' ');
}

function describeInput(text: string, request: OfflineRequest): string {
  const got =
    text.trim() === '' ? 'You sent no text.' : `You wrote: “${shorten(text.trim(), QUOTE_LENGTH)}”.`;
  const tools =
    request.tools.length === 0
      ? 'There are no tools here.'
      : `I can ask for these tools when your text names what they do: ${request.tools.map(({ name }) => name).join(', ')}.`;
  return `${got} ${tools} To talk to a model, set ANTHROPIC_API_KEY and start the server again.`;
}

function tellResults(results: OfflineBlock[], messages: OfflineMessage[]): string {
  const names = new Map(
    messages.flatMap(({ content }) =>
      content.filter(({ type }) => type === 'tool_use').map((call) => [call.id, call.name]),
    ),
  );
  return results
    .map((result) => {
      const verb = result.is_error === true ? 'failed' : 'answered';
      return `${String(names.get(result.tool_use_id))} ${verb}: ${shorten(contentText(result.content), RESULT_LENGTH)}`;
    })
    .join('\n');
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '(nothing)';
  const blocks: unknown[] = content;
  return blocks
    .filter(isRecord)
    .map((block) => textOf(block) || unseen(block).join(''))
    .join('\n');
}

function textOf(block: Json): string {
  return block.type === 'text' && typeof block.text === 'string' ? block.text : '';
}

function unseen(block: Json): string[] {
  if (block.type === 'image') return ['You sent an image, which I cannot see.'];
  if (block.type === 'document') return ['You sent a document, which I cannot read.'];
  return [];
}

/** Cuts between characters, and says how many were left out. */
function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const start = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
  return `${start}… (${text.length - start.length} more characters)`;
}

/** A word counts as a token: what goes beyond `max_tokens` is cut off, as a model's answer would be. */
function withinTokens(blocks: ReplyBlock[], request: OfflineRequest): OfflineReply {
  let left = request.max_tokens;
  const kept: ReplyBlock[] = [];
  for (const block of blocks) {
    const words = block.type === 'text' ? piecesOf(block.text) : piecesOf(JSON.stringify(block.input));
    if (words.length > left) {
      if (block.type === 'text' && left > 0) kept.push({ type: 'text', text: words.slice(0, left).join('') });
      return { blocks: kept, stopReason: 'max_tokens' };
    }
    left -= words.length;
    kept.push(block);
  }
  return {
    blocks: kept,
    stopReason: blocks.some((block) => block.type === 'tool_use') ? 'tool_use' : 'end_turn',
  };
}

/** The text in words, each with the blanks that follow it; endless words in parts of 80 characters. */
export function piecesOf(text: string): string[] {
  return text.match(/\S{1,80}\s*|\s+/gu) ?? [];
}
