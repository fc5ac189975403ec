import { z } from 'zod';

const block = z.looseObject({ type: z.string() });

const message = z.object({
  role: z.enum(['user', 'assistant']),
  content: z.union([
    z.string().transform((text): z.output<typeof block>[] => [{ type: 'text', text }]),
    z.array(block).min(1),
  ]),
});

const tool = z.object({
  name: z.string(),
  description: z.string().default(''),
  input_schema: z.looseObject({}).default({}),
});

const offlineRequest = z.object({
  model: z.string(),
  max_tokens: z.int().min(1),
  system: z.union([z.string(), z.array(block)]).optional(),
  messages: z.array(message).min(1),
  tools: z.array(tool).default([]),
  tool_choice: z.looseObject({ type: z.string() }).optional(),
  stream: z.literal(true),
});

/** The part of a Messages request that the stand-in looks at. */
export type OfflineRequest = z.output<typeof offlineRequest>;
export type OfflineMessage = OfflineRequest['messages'][number];
export type OfflineBlock = OfflineMessage['content'][number];
export type OfflineTool = OfflineRequest['tools'][number];

/** The request is one that the Messages API would refuse as `invalid_request_error`. */
export class InvalidOfflineRequest extends Error {
  override readonly name = 'InvalidOfflineRequest';
}

/**
 * Reads a request body and refuses histories that the real API refuses for ever: what works offline
 * must not break on the first day with a key.
 * @throws InvalidOfflineRequest
 */
export function readOfflineRequest(body: string): OfflineRequest {
  const parsed = offlineRequest.safeParse(parseJson(body));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new InvalidOfflineRequest(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const { messages } = parsed.data;
  if (messages[0]?.role !== 'user')
    throw new InvalidOfflineRequest('messages: the first must be of the user');
  if (messages.at(-1)?.role !== 'user')
    throw new InvalidOfflineRequest('messages: the last must be of the user');
  messages.forEach((_, index) => checkToolResults(messages, index));
  return parsed.data;
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new InvalidOfflineRequest('the body is not JSON');
  }
}

/** Each call is answered in the very next message, results before anything else, and nothing else is answered. */
function checkToolResults(messages: OfflineMessage[], index: number): void {
  const calls = idsOf(index === 0 ? undefined : messages[index - 1], 'tool_use', 'id');
  const content = messages[index]?.content ?? [];
  const results = idsOf(messages[index], 'tool_result', 'tool_use_id');
  const missing = calls.filter((id) => !results.includes(id));
  if (missing.length > 0) {
    throw new InvalidOfflineRequest(`messages.${index}: tool_use without tool_result: ${missing.join(', ')}`);
  }
  if (results.some((id) => !calls.includes(id)) || new Set(results).size !== results.length) {
    throw new InvalidOfflineRequest(`messages.${index}: tool_result without its own tool_use`);
  }
  if (content.slice(0, results.length).some((block) => block.type !== 'tool_result')) {
    throw new InvalidOfflineRequest(`messages.${index}: tool_result blocks must come first`);
  }
}

function idsOf(message: OfflineMessage | undefined, type: string, field: string): string[] {
  return (message?.content ?? [])
    .filter((block) => block.type === type)
    .map((block: Record<string, unknown>) => String(block[field]));
}
