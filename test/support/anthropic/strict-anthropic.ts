/**
 * The rules of Anthropic's Messages API (version 2026-10-21) that a client can break, as a referee:
 * what the service would answer with 400, and why. Written from the rules, not from any client.
 */

export interface WireBlock {
  type: string;
  [field: string]: unknown;
}

export interface WireMessage {
  role: string;
  content: string | WireBlock[];
}

export interface WireBody {
  model: string;
  max_tokens: number;
  stream?: boolean;
  system?: unknown;
  messages: WireMessage[];
  tools?: { name: string; input_schema?: { type?: string }; type?: string }[];
  tool_choice?: { type: string };
  thinking?: { type: string };
  [field: string]: unknown;
}

const FIELDS = new Set(
  (
    'model max_tokens messages stream system tools tool_choice thinking metadata stop_sequences service_tier ' +
    'container context_management mcp_servers output_config cache_control compaction diagnostics thread speed ' +
    'inference_geo fallbacks'
  ).split(' '),
);
const SAMPLING = ['temperature', 'top_p', 'top_k'];

/** @returns what the service would complain about, or undefined for a good request. */
export function complaintAbout(body: WireBody, mayEndWithAssistant: boolean): string | undefined {
  return (
    complaintAboutFields(body) ??
    complaintAboutTools(body) ??
    complaintAboutMessages(body.messages, mayEndWithAssistant) ??
    complaintAboutToolLoop(body.messages)
  );
}

/** What the service takes, but what it is known to answer badly to. */
export function adviceAbout(body: WireBody): string[] {
  return body.messages.flatMap((message, index) => {
    const blocks = blocksOf(message);
    const mixed = blocks.some(isResult) && blocks.some((block) => block.type === 'text');
    return mixed ? [`messages.${index}: text after tool_result provokes empty answers`] : [];
  });
}

function complaintAboutFields(body: WireBody): string | undefined {
  const sampling = SAMPLING.find((name) => name in body);
  if (sampling) return `${sampling}: this parameter is not supported`;
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown) return `${unknown}: Extra inputs are not permitted`;
  if (typeof body.model !== 'string' || body.model === '') return 'model: Field required';
  if (!Number.isInteger(body.max_tokens) || body.max_tokens < 1)
    return 'max_tokens: must be a positive integer';
  if (body.stream !== true) return 'stream: this server only streams';
  if (!Array.isArray(body.messages) || body.messages.length === 0)
    return 'messages: at least one message is required';
  const thinking = body.thinking?.type;
  if (body.model.includes('opus-5-5') && (thinking === 'disabled' || thinking === 'enabled')) {
    return `thinking.type: ${thinking} is not supported by this model`;
  }
  if (JSON.stringify(body).split('"cache_control"').length - 1 > 4)
    return 'A maximum of 4 blocks with cache_control may be provided';
  return undefined;
}

function complaintAboutTools(body: WireBody): string | undefined {
  const names = new Set<string>();
  for (const [index, tool] of (body.tools ?? []).entries()) {
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name)) return `tools.${index}.name: bad name`;
    if (names.has(tool.name)) return `tools: Tool names must be unique (${tool.name})`;
    names.add(tool.name);
    if (tool.type === undefined && tool.input_schema?.type !== 'object') {
      return `tools.${index}.input_schema.type: must be object`;
    }
  }
  const choice = body.tool_choice?.type;
  if (body.model.includes('opus-5-5') && (choice === 'any' || choice === 'tool')) {
    return `tool_choice.type: ${choice} is not supported by this model`;
  }
  return undefined;
}

function complaintAboutMessages(messages: WireMessage[], mayEndWithAssistant: boolean): string | undefined {
  if (messages[0]?.role !== 'user') return 'messages.0.role: first message must use the "user" role';
  for (const [index, message] of messages.entries()) {
    const at = `messages.${index}`;
    if (!['user', 'assistant', 'system'].includes(message.role)) return `${at}.role: unknown role`;
    if (typeof message.content !== 'string' && !Array.isArray(message.content))
      return `${at}.content: Field required`;
    const blocks = blocksOf(message);
    if (blocks.length === 0) return `${at}: all messages must have non-empty content`;
    for (const [n, block] of blocks.entries()) {
      const complaint = complaintAboutBlock(message.role, block);
      if (complaint) return `${at}.content.${n}: ${complaint}`;
    }
    if (message.role === 'assistant' && /^(redacted_)?thinking$/.test(blocks.at(-1)!.type))
      return `${at}: The final block in an assistant message cannot be \`thinking\`.`;
    if (message.role === 'system' && !isSystemPlace(messages, index))
      return `${at}: role system is not allowed here`;
  }
  if (messages.at(-1)?.role === 'assistant' && !mayEndWithAssistant) {
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  }
  return undefined;
}

/** After a user message, or an answer that ends in a server tool; last, or before an answer. */
function isSystemPlace(messages: WireMessage[], index: number): boolean {
  const before = messages[index - 1];
  const after = messages[index + 1];
  const isAfter = before?.role === 'user' || (before?.role === 'assistant' && endsInServerTool(before));
  return isAfter && (after === undefined || after.role === 'assistant');
}

function endsInServerTool(message: WireMessage): boolean {
  const type = blocksOf(message).at(-1)?.type ?? '';
  return /^(server|mcp)_tool_use$/.test(type) || (type !== 'tool_result' && type.endsWith('_tool_result'));
}

function complaintAboutBlock(role: string, block: WireBlock): string | undefined {
  if (typeof block.type !== 'string') return 'type: Field required';
  if (block.type === 'text') {
    if (typeof block['text'] !== 'string' || block['text'] === '')
      return 'text content blocks must be non-empty';
    if (block['text'].trim() === '') return 'text content blocks must contain non-whitespace text';
    const citations = block['citations'];
    if (role === 'user' && Array.isArray(citations) && citations.length > 0)
      return 'citations are not allowed here';
  }
  if (role === 'system' && block.type !== 'text') return 'system messages hold text only';
  if (role === 'user' && block.type === 'tool_use')
    return 'tool_use blocks can only be in assistant messages';
  if (role === 'assistant' && block.type === 'tool_result')
    return 'tool_result blocks can only be in user messages';
  if (role === 'assistant' && block.type === 'document')
    return 'document blocks can only be in user messages';
  if (block.type === 'tool_result' && block['is_error'] === true && isBlank(block['content']))
    return 'tool_result: content cannot be empty if `is_error` is true';
  if (block.type === 'tool_result' && Array.isArray(block['content'])) {
    const nested = (block['content'] as WireBlock[]).map((part) => complaintAboutBlock('user', part));
    return nested.find((complaint) => complaint !== undefined);
  }
  if (block.type === 'tool_use') {
    if (!/^[a-zA-Z0-9_-]+$/.test(String(block['id']))) return 'id: bad tool_use id';
    const input = block['input'];
    if (typeof input !== 'object' || input === null || Array.isArray(input))
      return 'input: Input should be a valid dictionary';
  }
  return undefined;
}

function isBlank(content: unknown): boolean {
  if (Array.isArray(content)) return content.length === 0;
  return typeof content !== 'string' || content.trim() === '';
}

function complaintAboutToolLoop(messages: WireMessage[]): string | undefined {
  const seen = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const before = messages[index - 1];
    const calls = before?.role === 'assistant' ? idsOf(before, 'tool_use', 'id') : [];
    const results = message.role === 'user' ? idsOf(message, 'tool_result', 'tool_use_id') : [];
    const complaint = complaintAboutResults(blocksOf(message), calls, results, before);
    if (complaint) return `messages.${index}: ${complaint}`;
    for (const id of message.role === 'assistant' ? idsOf(message, 'tool_use', 'id') : []) {
      if (seen.has(id)) return `messages.${index}: \`tool_use\` ids must be unique (${id})`;
      seen.add(id);
    }
  }
  const last = messages.at(-1);
  const open = last?.role === 'assistant' ? idsOf(last, 'tool_use', 'id') : [];
  return open.length > 0 ? `tool_use without tool_result: ${open.join(', ')}` : undefined;
}

function complaintAboutResults(
  blocks: WireBlock[],
  calls: string[],
  results: string[],
  before: WireMessage | undefined,
): string | undefined {
  const missing = calls.filter((id) => !results.includes(id));
  if (missing.length > 0) {
    return `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(', ')}`;
  }
  const foreign = results.find((id) => !calls.includes(id));
  if (foreign) return `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${foreign}`;
  if (new Set(results).size < results.length) return 'each tool_use must have a single result';
  if (results.join() !== calls.join()) return 'tool_result blocks are not in the order of the calls';
  const firstOther = blocks.findIndex((block) => !isResult(block));
  const lastResult = blocks.findLastIndex(isResult);
  if (firstOther !== -1 && firstOther < lastResult) return 'tool_result blocks must come first in content';
  if (results.length > 0 && before && hasOpenServerTool(before) && results.length < blocks.length) {
    return 'beside an unfinished server tool only tool_result blocks are allowed';
  }
  return undefined;
}

/** Whether the message calls a server tool whose result has not come yet. */
export function hasOpenServerTool(message: WireMessage): boolean {
  const blocks = blocksOf(message);
  const answered = new Set(
    blocks.filter((block) => block.type.endsWith('_tool_result')).map((block) => block['tool_use_id']),
  );
  return blocks.some((block) => /^(server|mcp)_tool_use$/.test(block.type) && !answered.has(block['id']));
}

/** The content of a message as blocks, also when it was given as a string. */
export function blocksOf(message: WireMessage): WireBlock[] {
  return typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
}

function isResult(block: WireBlock): boolean {
  return block.type === 'tool_result';
}

function idsOf(message: WireMessage, type: string, field: string): string[] {
  return blocksOf(message)
    .filter((block) => block.type === type)
    .map((block) => String(block[field]));
}
