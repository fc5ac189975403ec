import { ChatAnthropic } from '@langchain/anthropic';
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';

const { model, max_tokens: maxTokens } = modelRequest('');
const anthropic = new ChatAnthropic({
  model,
  maxTokens,
  apiKey: 'bench',
  anthropicApiUrl: process.env['MODEL_URL'] ?? '',
  streaming: true,
});

/** One node: one call of the model. */
export const graph = new StateGraph(MessagesAnnotation)
  .addNode('model', async ({ messages }) => ({ messages: [await anthropic.invoke(messages)] }))
  .addEdge('__start__', 'model')
  .addEdge('model', '__end__')
  .compile();
