import Anthropic from '@anthropic-ai/sdk';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';
import { serve } from '../../harness/simple-server.ts';

/** What one writes by hand: the SDK's stream, each delta as one event of the response. */
const anthropic = new Anthropic({ apiKey: 'bench', baseURL: process.env['MODEL_URL'] });

async function relay(content: string, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const stream = await anthropic.messages.create(
    { ...modelRequest(content), stream: true },
    { signal: gone.signal },
  );
  for await (const event of stream) {
    if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue;
    const isTaken = response.write(`event: token\ndata: ${JSON.stringify({ text: event.delta.text })}\n\n`);
    if (!isTaken) await once(response, 'drain', { signal: gone.signal });
  }
  response.end('event: done\ndata: {}\n\n');
}

serve(relay);
