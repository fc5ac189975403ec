import Anthropic from '@anthropic-ai/sdk';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import process from 'node:process';
import { modelRequest } from '../../harness/model-request.ts';

/** As its documentation has it: `streamSSE`, one awaited `writeSSE` an event. */
const anthropic = new Anthropic({ apiKey: 'bench', baseURL: process.env['MODEL_URL'] });
const app = new Hono();

app.get('/ready', (context) => context.text('ready'));
app.post('/stream', async (context) => {
  const { content } = await context.req.json<{ content: string }>();
  return streamSSE(context, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const events = await anthropic.messages.create(
      { ...modelRequest(content), stream: true },
      { signal: gone.signal },
    );
    for await (const event of events) {
      if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue;
      await stream.writeSSE({ event: 'token', data: JSON.stringify({ text: event.delta.text }) });
    }
    await stream.writeSSE({ event: 'done', data: '{}' });
  });
});

serve({ fetch: app.fetch, port: Number(process.env['PORT']), hostname: '127.0.0.1' });
