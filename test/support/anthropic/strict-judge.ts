import type { IncomingHttpHeaders } from 'node:http';
import type { SentAnswer } from './sent-blocks.js';
import {
  blocksOf,
  complaintAbout,
  hasOpenServerTool,
  type WireBlock,
  type WireBody,
  type WireMessage,
} from './strict-anthropic.js';

/** The betas that the service is known to have; any other is a 400. */
const BETAS = new Set([
  'message-threads-2026-08-12',
  'thinking-binding-controls-2026-08-01',
  'context-management-2025-06-27',
  'compact-2026-09-04',
  'mcp-client-2025-11-20',
]);

/** Everything before an answer, one JSON an element, so that a complaint can name what has changed. */
interface Prefix {
  system: string;
  tools: string[];
  messages: string[];
}

/**
 * Refuses what the service would refuse of a client whose earlier requests and answers are known: the rules of
 * one request (`strict-anthropic.ts`), and those that only memory can check, for thinking and for paused answers.
 *
 * Two user messages in a row are taken: the API joins them. Breakpoints of the cache may move: `cache_control`
 * is no part of a prefix.
 */
export class StrictJudge {
  /** By signature: the block, and what it is bound to. A script may say the same in several conversations. */
  private readonly signed = new Map<string, { block: string; prefix: Prefix }[]>();
  /** By id of a tool call: the signed blocks of its answer. */
  private readonly thinkingOf = new Map<string, string[]>();
  private readonly paused = new Set<string>();

  /** @returns the complaint, or undefined for a request that the service would take. */
  complaint(body: WireBody, headers: IncomingHttpHeaders): string | undefined {
    return (
      complaintAboutHeaders(headers) ??
      complaintAbout(body, this.mayContinue(body.messages?.at(-1))) ??
      this.complaintAboutThinking(body)
    );
  }

  /** Remembers what was answered to a request that was taken. */
  learn(body: WireBody, answer: SentAnswer): void {
    const prefix = prefixOf(body, body.messages.length);
    const thinking = answer.blocks.filter(isThinking);
    for (const block of thinking) {
      const known = this.signed.get(signatureOf(block)) ?? [];
      this.signed.set(signatureOf(block), [...known, { block: exact(block), prefix }]);
    }
    if (!answer.whole) return;
    for (const block of answer.blocks) {
      if (block.type === 'tool_use') this.thinkingOf.set(String(block['id']), thinking.map(exact));
    }
    if (answer.stopReason === 'pause_turn') this.paused.add(outlineOf(answer.blocks));
  }

  /** A paused answer, as it came, may stand last; so may one whose server tool has no result yet. */
  private mayContinue(last: WireMessage | undefined): boolean {
    if (last?.role !== 'assistant') return false;
    return this.paused.has(outlineOf(blocksOf(last))) || hasOpenServerTool(last);
  }

  private complaintAboutThinking(body: WireBody): string | undefined {
    for (const [index, message] of body.messages.entries()) {
      if (message.role !== 'assistant') continue;
      for (const block of blocksOf(message).filter(isThinking)) {
        const complaint = this.complaintAboutBlock(body, index, block);
        if (complaint) return `messages.${index}: ${complaint}`;
      }
      if (index >= startOfTurn(body.messages) && this.hasDropped(message)) {
        return `messages.${index}: thinking blocks of the tool turn must be passed back as they were`;
      }
    }
    return undefined;
  }

  private complaintAboutBlock(body: WireBody, index: number, block: WireBlock): string | undefined {
    const known = this.signed.get(signatureOf(block));
    if (known === undefined) return 'Invalid `signature` in `thinking` block';
    if (known.every((one) => one.block !== exact(block))) return 'thinking blocks cannot be modified';
    const now = prefixOf(body, index);
    const changes = known.map(({ prefix }) => difference(prefix, now));
    if (changes.includes(undefined)) return undefined;
    return `thinking blocks are bound to what stands before them, and ${changes.at(-1)} has changed`;
  }

  private hasDropped(message: WireMessage): boolean {
    const blocks = blocksOf(message);
    const given = JSON.stringify(blocks.filter(isThinking).map(exact));
    const call = blocks.find((block) => block.type === 'tool_use');
    const sent = this.thinkingOf.get(String(call?.['id']));
    return sent !== undefined && JSON.stringify(sent) !== given;
  }
}

function complaintAboutHeaders(headers: IncomingHttpHeaders): string | undefined {
  if (headers['anthropic-version'] === undefined) return 'anthropic-version: header is required';
  const betas = String(headers['anthropic-beta'] ?? '')
    .split(',')
    .map((beta) => beta.trim());
  const unknown = betas.find((beta) => beta !== '' && !BETAS.has(beta));
  return unknown && `Unexpected value(s) \`${unknown}\` for the \`anthropic-beta\` header`;
}

/** Index of the first message after the last one in which a user really said something. */
function startOfTurn(messages: WireMessage[]): number {
  return messages.findLastIndex(isSaid) + 1;
}

function isSaid(message: WireMessage): boolean {
  return message.role === 'user' && !blocksOf(message).some((block) => block.type === 'tool_result');
}

function isThinking(block: WireBlock): boolean {
  return block.type === 'thinking' || block.type === 'redacted_thinking';
}

function signatureOf(block: WireBlock): string {
  return String(block['signature'] ?? block['data']);
}

function prefixOf(body: WireBody, length: number): Prefix {
  return {
    system: exact(typeof body.system === 'string' ? [{ type: 'text', text: body.system }] : body.system),
    tools: (body.tools ?? []).map(exact),
    messages: body.messages.slice(0, length).map((m) => exact({ role: m.role, content: blocksOf(m) })),
  };
}

function difference(before: Prefix, now: Prefix): string | undefined {
  if (before.system !== now.system) return 'system';
  if (before.tools.length !== now.tools.length) return 'tools';
  const tool = before.tools.findIndex((json, at) => json !== now.tools[at]);
  if (tool !== -1) return `tools.${tool}`;
  if (before.messages.length !== now.messages.length) return 'the number of messages';
  const message = before.messages.findIndex((json, at) => json !== now.messages[at]);
  return message === -1 ? undefined : `messages.${message}`;
}

/** The JSON as it was sent, without the marks of the cache. */
function exact(value: unknown): string {
  return (
    JSON.stringify(value, (key, inner: unknown) => (key === 'cache_control' ? undefined : inner)) ?? 'null'
  );
}

/** Enough to know an answer again: what each block is and says. Empty text may be left out. */
function outlineOf(blocks: WireBlock[]): string {
  return blocks
    .map((block) => [block.type, block['id'] ?? block['tool_use_id'] ?? block['text'] ?? signatureOf(block)])
    .filter(([, value]) => value !== '')
    .map((parts) => JSON.stringify(parts))
    .join();
}
