import type { Anthropic } from '@anthropic-ai/sdk';
import type { ContentBlock, ModelMessage, ModelRequest } from '../language-model.js';

type StreamingRequest = Anthropic.Beta.Messages.MessageCreateParamsStreaming;

/** The body of `POST /v1/messages`. What the API refuses in every history, empty text and messages, is left out. */
export function anthropicRequest(request: ModelRequest): StreamingRequest {
  const body = {
    model: request.model,
    max_tokens: request.maxTokens,
    ...(request.system === null || request.system === '' ? {} : { system: request.system }),
    messages: request.messages.flatMap(sendable),
    ...(request.tools.length === 0 ? {} : { tools: request.tools }),
    stream: true,
  };
  // Blocks and schemas go back as they came; the SDK's unions know only those of its own day.
  return body as unknown as StreamingRequest;
}

function sendable(message: ModelMessage): ModelMessage[] {
  const content = message.content.some(isEmptyText)
    ? message.content.filter((block) => !isEmptyText(block))
    : message.content;
  return content.length === 0 ? [] : [{ role: message.role, content }];
}

function isEmptyText(block: ContentBlock): boolean {
  return block.type === 'text' && typeof block.text === 'string' && block.text.trim() === '';
}
