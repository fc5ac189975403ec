import { textReply, toolReply } from '../support/anthropic/anthropic-sse.js';
import { blocksOf, type WireMessage } from '../support/anthropic/strict-anthropic.js';
import type { Reply, UpstreamCall } from '../support/fake-upstream.js';

/** What a run says: turns of paced words, each with a tool call at its end, then words alone. */
export interface Talk {
  turns: number;
  words: number;
  paceMs: number;
}

/** The message that asks for a talk; the name makes it one of its kind. */
export function askFor(name: string, { turns, words, paceMs }: Talk): string {
  return `${name}: ${turns} turns of ${words} words, ${paceMs} ms apart`;
}

export function answerTalk({ body: { messages } }: UpstreamCall): Reply {
  const asked = messages.findLastIndex((message) => message.role === 'user' && textIn(message) !== undefined);
  const content = textIn(messages[asked]) ?? '';
  const { turns, words, paceMs } = parse(content);
  const turn = messages.slice(asked).filter(({ role }) => role === 'assistant').length;
  const texts = wordsOf(turn, words);
  if (turn === turns) return { sse: textReply(texts), paceMs };
  const id = `toolu_${content.replaceAll(/\W/g, '')}_${turn}`;
  return { sse: toolReply(texts, [{ id, name: 'get_time', input: {} }]), paceMs };
}

/** The whole text of the answer to such a message. */
export function textOfTalk(content: string): string {
  const { turns, words } = parse(content);
  return Array.from({ length: turns + 1 }, (_, turn) => wordsOf(turn, words).join('')).join('');
}

function wordsOf(turn: number, words: number): string[] {
  return Array.from({ length: words }, (_, n) => `${turn}.${n} `);
}

/** What a message asks for; results of tools ask for nothing. */
function textIn(message: WireMessage | undefined): string | undefined {
  const block = message && blocksOf(message).find(({ type }) => type === 'text');
  return block && String(block['text']);
}

function parse(content: string): Talk {
  const match = /: (\d+) turns of (\d+) words, (\d+) ms apart$/.exec(content);
  if (match === null) throw new Error(`nobody asks for a talk in: ${content}`);
  const [turns = 0, words = 0, paceMs = 0] = match.slice(1).map(Number);
  return { turns, words, paceMs };
}
