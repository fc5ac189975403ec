import { createAnthropic } from '@ai-sdk/anthropic';
import { Agent } from '@mastra/core/agent';
import type { MastraModelConfig } from '@mastra/core/llm';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';
import { serve } from '../../harness/simple-server.ts';

/** An agent without tools and memory; its chunks are sent as its own server sends them: one `data:` of JSON each. */
const anthropic = createAnthropic({ apiKey: 'bench', baseURL: `${process.env['MODEL_URL']}/v1` });
const agent = new Agent({
  id: 'bench',
  name: 'bench',
  instructions: 'Answer.',
  // Both say version 4 of the provider's interface; their declarations differ in a type that nobody uses here.
  model: anthropic(modelRequest('').model) as unknown as MastraModelConfig,
});

async function relay(content: string, response: ServerResponse): Promise<void> {
  const { max_tokens: maxOutputTokens, messages } = modelRequest(content);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const stream = await agent.stream(messages, {
    abortSignal: gone.signal,
    modelSettings: { maxOutputTokens },
  });
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  for await (const chunk of stream.fullStream) {
    const isTaken = response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    if (!isTaken) await once(response, 'drain', { signal: gone.signal });
  }
  response.end('data: [DONE]\n\n');
}

serve(relay);
