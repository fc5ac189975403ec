import type { Anthropic } from '@anthropic-ai/sdk';
import type { ContentBlock, Effort, ModelMessage, ModelRequest } from '../language-model.js';
import { knownModel, type KnownModel } from '../models.js';
import { isThinking } from '../thinking.js';
import { asWritten } from './exact-json.js';
import type { Profile } from './profiles.js';

type StreamingRequest = Anthropic.Beta.Messages.MessageCreateParamsStreaming;

/** The least thinking that a model with a budget takes, and the most that we ask for, in tokens. */
const MIN_BUDGET = 1024;
const MAX_BUDGET = 16_384;

/**
 * The body of `POST /v1/messages`. What the API refuses in every history, empty text and messages, is left out.
 * @param maxOutputTokens what the model can give at most; null: not known
 */
export function anthropicRequest(
  request: ModelRequest,
  profile: Profile,
  maxOutputTokens: number | null,
): StreamingRequest {
  const maxTokens = Math.min(request.maxTokens, maxOutputTokens ?? Number.POSITIVE_INFINITY);
  const known = knownModel(request.model);
  const effort = profile.effort ? effortOf(request, known) : null;
  const thinking =
    profile.thinking && known !== undefined ? thinkingOf(request, known, maxTokens) : undefined;
  const hasTools = request.tools.length > 0;
  const body = {
    model: request.model,
    max_tokens: maxTokens,
    ...(request.system === null || request.system === '' ? {} : { system: request.system }),
    messages: request.messages.flatMap(sendable),
    ...(hasTools ? { tools: request.tools } : {}),
    ...(hasTools && request.toolChoice === 'none' ? { tool_choice: { type: 'none' } } : {}),
    ...(thinking === undefined ? {} : { thinking }),
    ...(effort === null ? {} : { output_config: { effort } }),
    ...(profile.cacheControl ? { cache_control: { type: 'ephemeral' } } : {}),
    stream: true,
  };
  // Blocks and schemas go back as they came; the SDK's unions know only those of its own day.
  return body as unknown as StreamingRequest;
}

/** Always said where the model has it: the provider's default may change. */
function effortOf({ effort, thinking }: ModelRequest, known: KnownModel | undefined): Effort | null {
  if (known === undefined || known.effort === null) return null;
  const wanted = effort ?? known.effort;
  // Without thinking `high` is the most that is taken.
  return wanted === 'max' && thinking === 'off' && known.canForbidThinking ? 'high' : wanted;
}

/** Without `display` new models think in silence, and the page stands still. */
function thinkingOf(request: ModelRequest, known: KnownModel, maxTokens: number): object | undefined {
  if (request.thinking === 'off') return known.canForbidThinking ? { type: 'disabled' } : undefined;
  if (known.thinking === 'none') return undefined;
  if (known.thinking !== 'enabled') return { type: 'adaptive', display: 'summarized' };
  const budget = Math.min(MAX_BUDGET, Math.floor(maxTokens / 2));
  return budget < MIN_BUDGET || isThoughtlessTurn(request.messages)
    ? undefined
    : { type: 'enabled', budget_tokens: budget };
}

/** With a budget, a turn that is under way must have begun with thinking: another model may have begun it. */
function isThoughtlessTurn(messages: ModelMessage[]): boolean {
  const asked = messages.findLastIndex(
    ({ role, content }) => role === 'user' && !content.some(({ type }) => type === 'tool_result'),
  );
  const begun = messages.slice(asked + 1).find(({ role }) => role === 'assistant');
  const first = begun?.content[0];
  return first !== undefined && !isThinking(first);
}

function sendable(message: ModelMessage): ModelMessage[] {
  const said = message.content.filter((block) => !isEmptyText(block));
  // An answer must not end with reasoning: one that was cut off there is refused for ever.
  const end = said.findLastIndex((block) => !isThinking(block)) + 1;
  const content = said.slice(0, end).map(asWritten);
  return content.length === 0 ? [] : [{ role: message.role, content }];
}

function isEmptyText(block: ContentBlock): boolean {
  return block.type === 'text' && typeof block.text === 'string' && block.text.trim() === '';
}
