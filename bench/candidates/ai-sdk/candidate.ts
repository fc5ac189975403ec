import { createAnthropic } from '@ai-sdk/anthropic';
import { streamText } from 'ai';
import type { ServerResponse } from 'node:http';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';
import { serve } from '../../harness/simple-server.ts';

/** As its documentation has it for a plain Node server: `streamText`, piped to the response. */
const anthropic = createAnthropic({ apiKey: 'bench', baseURL: `${process.env['MODEL_URL']}/v1` });

function relay(content: string, response: ServerResponse): void {
  const { model, max_tokens: maxOutputTokens, messages } = modelRequest(content);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const result = streamText({
    model: anthropic(model),
    maxOutputTokens,
    messages,
    abortSignal: gone.signal,
    onError: () => void response.destroy(),
  });
  void result.pipeUIMessageStreamToResponse(response);
}

serve(relay);
