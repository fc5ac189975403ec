import { content, type Content } from '../../agent/content.js';
import { AppError } from '../../errors/app-error.js';
import { invalidRequest } from '../../errors/invalid-request.js';
import type { Block, Message } from '../../sessions/message.js';
import type { AgUiMessage } from './ag-ui-event.js';
import type { ClientMessage } from './requests.js';

/** What only sets the scene: the client's is not heard. */
const SCENE = new Set(['system', 'developer', 'activity']);

/** What the user says with this request; undefined when something was answered to it already, or nothing said. */
export function saidNow(messages: readonly ClientMessage[]): Content | undefined {
  const last = messages.findLast(({ role }) => !SCENE.has(role));
  return last?.role === 'user' ? readContent(last['content']) : undefined;
}

/** The client's conversation up to and with what the user said last, as it came; undefined without such a message. */
export function historyOf(messages: readonly ClientMessage[]): AgUiMessage[] | undefined {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  // A field that is null is refused by clients, where one that is not there is not.
  return last < 0 ? undefined : messages.slice(0, last + 1).map(withoutNulls);
}

function withoutNulls(message: ClientMessage): AgUiMessage {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null)) as ClientMessage;
}

/** For a client that has nothing: the conversation as it is stored, up to and with the message that began the run. */
export function storedHistory(stored: readonly Message[], run: { number: number }): AgUiMessage[] {
  const before = stored.filter(
    ({ runNumber, position, role }) =>
      runNumber < run.number || (runNumber === run.number && position === 0 && role === 'user'),
  );
  return before.flatMap((message) => (message.role === 'user' ? viewUser(message) : viewAssistant(message)));
}

function viewUser({ id, content: blocks }: Message): AgUiMessage[] {
  const results = blocks.filter(({ type }) => type === 'tool_result');
  const said = textOf(blocks);
  return [
    ...results.map((block) => viewResult(id, block)),
    ...(results.length > 0 && said === '' ? [] : [{ id, role: 'user', content: said }]),
  ];
}

function viewResult(id: string, block: Block): AgUiMessage {
  const { tool_use_id: toolCallId, content: text, is_error: isError } = block;
  const told = typeof text === 'string' ? text : JSON.stringify(text ?? null);
  return {
    id: `${id}.${String(toolCallId)}`,
    role: 'tool',
    toolCallId: String(toolCallId),
    content: isError === true ? `Error: ${told}` : told,
    metadata: { is_error: isError === true },
  };
}

function viewAssistant({ id, content: blocks }: Message): AgUiMessage[] {
  const toolCalls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map((block) => ({
      id: String(block['id']),
      type: 'function' as const,
      function: { name: String(block['name']), arguments: JSON.stringify(block['input'] ?? {}) },
    }));
  const said = textOf(blocks);
  if (said === '' && toolCalls.length === 0) return [];
  const calls = toolCalls.length > 0 ? { toolCalls } : {};
  return [{ id, role: 'assistant', ...(said === '' ? {} : { content: said }), ...calls }];
}

function textOf(blocks: readonly Block[]): string {
  return blocks.map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : '')).join('');
}

/** A user message's content: a text, or parts. @throws AppError `invalid_request` */
function readContent(said: unknown): Content {
  const parsed = content.safeParse(Array.isArray(said) ? said.map(readPart) : said);
  if (parsed.success) return parsed.data;
  throw invalidRequest(parsed.error.issues.map((issue) => ({ ...issue, path: ['content', ...issue.path] })));
}

function readPart(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part;
  const { type, text, source } = part as { type?: unknown; text?: unknown; source?: unknown };
  if (type === 'text') return { type, text };
  if (type !== 'image' && type !== 'document') {
    throw new AppError(
      'invalid_request',
      'Parts of a message are text, image and document here; no other kind reaches the model.',
    );
  }
  return { type, source: readSource(source) };
}

function readSource(source: unknown): unknown {
  if (typeof source !== 'object' || source === null) return source;
  const { type, value, mimeType } = source as { type?: unknown; value?: unknown; mimeType?: unknown };
  if (type === 'url') return { type, url: value };
  if (type === 'data' && mimeType === 'text/plain' && typeof value === 'string') {
    return { type: 'text', media_type: mimeType, data: Buffer.from(value, 'base64').toString() };
  }
  return { type: 'base64', media_type: mimeType, data: value };
}
